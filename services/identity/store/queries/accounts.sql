-- name: Password :one
SELECT secret FROM identity.credentials WHERE user_id = $1 AND kind = 'password';

-- name: SetPassword :exec
INSERT INTO identity.credentials (user_id, kind, secret, updated_at) VALUES (@user_id, 'password', @secret, @now)
ON CONFLICT (user_id, kind) DO UPDATE SET secret = excluded.secret, updated_at = excluded.updated_at;

-- name: Account :one
-- What signing in needs; the secret is empty if there is none.
SELECT sqlc.embed(u), coalesce(c.secret, '') AS secret
FROM identity.users u LEFT JOIN identity.credentials c ON c.user_id = u.id AND c.kind = 'password'
WHERE u.email_norm = $1;

-- name: SignInAttempts :one
-- Failures from one network address, and from all addresses lately.
SELECT coalesce(max(failures) FILTER (WHERE remote_address = @remote_address), 0)::integer AS failures,
       coalesce(max(failed_at) FILTER (WHERE remote_address = @remote_address), 'epoch')::timestamptz AS failed_at,
       coalesce(bool_or(remote_address = @remote_address AND succeeded_at > @known_since), false)::boolean AS known,
       coalesce(sum(failures) FILTER (WHERE failed_at > @lately), 0)::bigint AS account_failures,
       coalesce(max(failed_at), 'epoch')::timestamptz AS account_failed_at
FROM identity.sign_in_attempts WHERE account = @account;

-- name: CountFailure :exec
INSERT INTO identity.sign_in_attempts AS a (account, remote_address, failures, failed_at) VALUES (@account, @remote_address, 1, @now)
ON CONFLICT (account, remote_address) DO UPDATE
SET failures = CASE WHEN a.failed_at > @lately THEN a.failures ELSE 0 END + 1, failed_at = @now;

-- name: CountSuccess :exec
INSERT INTO identity.sign_in_attempts (account, remote_address, succeeded_at) VALUES (@account, @remote_address, @now)
ON CONFLICT (account, remote_address) DO UPDATE SET failures = 0, succeeded_at = @now;

-- name: ForgiveFailures :exec
UPDATE identity.sign_in_attempts SET failures = 0 WHERE account = $1;

-- name: InsertLink :exec
INSERT INTO identity.links (id, hash, kind, account, user_id, organisation_id, invitation_id, created_at, expires_at)
VALUES (@id, @hash, @kind, @account, @user_id, @organisation_id, @invitation_id, @created_at, @expires_at);

-- name: Link :one
SELECT * FROM identity.links WHERE hash = $1;

-- name: LinkOfInvitation :one
SELECT * FROM identity.links WHERE invitation_id = $1;

-- name: UseLink :one
-- Uses a link up; no row: somebody else was first, or its time is over.
UPDATE identity.links SET used_at = sqlc.arg(now)::timestamptz WHERE hash = sqlc.arg(hash) AND used_at IS NULL AND expires_at > sqlc.arg(now)::timestamptz RETURNING *;

-- name: LinksAsked :one
SELECT count(*) FROM identity.links WHERE account = $1 AND created_at > $2;

-- name: DropLinks :exec
-- Other links of the kind that were not used yet.
DELETE FROM identity.links WHERE kind = @kind AND used_at IS NULL AND user_id IS NOT DISTINCT FROM sqlc.narg(user_id);

-- name: DropLinkOfInvitation :exec
DELETE FROM identity.links WHERE invitation_id = $1;

-- name: LockInstallation :exec
-- Two first administrators at once would found two organisations.
SELECT pg_advisory_xact_lock(hashtextextended('identity.installation', 0));

-- name: ForgetLinks :execrows
-- Links of invitations stand for them; see DeleteUserIfAlone.
DELETE FROM identity.links WHERE id IN (
    SELECT l.id FROM identity.links l WHERE l.expires_at < CASE WHEN l.kind = 'INVITATION' THEN @invited_before::timestamptz ELSE @before::timestamptz END LIMIT @batch);

-- name: ForgetAttempts :execrows
DELETE FROM identity.sign_in_attempts WHERE (account, remote_address) IN (
    SELECT a.account, a.remote_address FROM identity.sign_in_attempts a WHERE greatest(a.failed_at, a.succeeded_at) < @before::timestamptz LIMIT @batch);

-- name: ForgetAccessChanges :execrows
DELETE FROM identity.access_changes WHERE id IN (SELECT c.id FROM identity.access_changes c WHERE c.time < @before::timestamptz LIMIT @batch);

-- name: ForgetInvitations :execrows
-- As mshub_system: of people whose account is gone.
DELETE FROM identity.invitations WHERE (organisation_id, id) IN (
    SELECT i.organisation_id, i.id FROM identity.invitations i
    WHERE i.expires_at < @before::timestamptz AND NOT EXISTS (SELECT 1 FROM identity.users u WHERE u.id = i.user_id) LIMIT @batch);
