-- Clients: behind the wall, but for find_client (store.go), which sqlc can't read.

-- name: ListClients :many
SELECT * FROM authserver.client WHERE id > @after ORDER BY id LIMIT @most;

-- name: GetClient :one
SELECT * FROM authserver.client WHERE id = $1;

-- name: LockClient :one
SELECT * FROM authserver.client WHERE id = $1 FOR UPDATE;

-- name: CreateClient :exec
INSERT INTO authserver.client (organisation_id, id, title, kind, redirect_uris, scopes, secret_hash, created_at, keepers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: UpdateClient :exec
UPDATE authserver.client SET title = $2, redirect_uris = $3, scopes = $4 WHERE id = $1;

-- name: RotateClientSecret :exec
UPDATE authserver.client SET secret_hash = $2, previous_hash = secret_hash, previous_expires_at = $3, keepers = $4 WHERE id = $1;

-- name: TouchClient :exec
UPDATE authserver.client SET used_at = @now WHERE id = @id AND (used_at IS NULL OR used_at < @before);

-- name: DeleteClient :exec
DELETE FROM authserver.client WHERE id = $1;

-- Sessions.

-- name: CreateSession :exec
INSERT INTO authserver.session (id, secret_hash, user_id, remote_address, user_agent, created_at, authenticated_at, used_at, expires_at)
VALUES ($1, $2, $3, $4, $5, @now, @now, @now, @expires_at);

-- name: GetSession :one
SELECT * FROM authserver.session WHERE secret_hash = $1;

-- name: TouchSession :exec
UPDATE authserver.session SET used_at = $2 WHERE id = $1;

-- name: ListSessions :many
SELECT * FROM authserver.session WHERE user_id = @user_id AND expires_at > @now AND used_at > @idle ORDER BY used_at DESC, id;

-- name: DeleteSession :execrows
DELETE FROM authserver.session WHERE id = $1 AND user_id = $2;

-- name: DeleteSessionsOfUser :many
DELETE FROM authserver.session WHERE user_id = @user_id AND authenticated_at < @before RETURNING id;

-- Consents.

-- name: GetConsent :one
SELECT * FROM authserver.consent WHERE user_id = $1 AND client_id = $2;

-- name: SaveConsent :exec
INSERT INTO authserver.consent (id, user_id, client_id, client_title, scopes, created_at, used_at)
VALUES (@id, @user_id, @client_id, @client_title, @scopes, @now, @now)
ON CONFLICT ON CONSTRAINT consent_once DO UPDATE SET
    scopes = ARRAY(SELECT DISTINCT s FROM unnest(authserver.consent.scopes || excluded.scopes) AS s ORDER BY s),
    client_title = excluded.client_title, used_at = excluded.used_at;

-- name: TouchConsent :exec
UPDATE authserver.consent SET used_at = $3 WHERE user_id = $1 AND client_id = $2;

-- name: ListConsents :many
SELECT * FROM authserver.consent WHERE user_id = $1 ORDER BY used_at DESC, id;

-- name: DeleteConsent :one
DELETE FROM authserver.consent WHERE id = $1 AND user_id = $2 RETURNING *;

-- name: DeleteConsentsOfUser :exec
DELETE FROM authserver.consent WHERE user_id = @user_id AND created_at < @before;

-- name: DeleteConsentsOfClient :exec
DELETE FROM authserver.consent WHERE client_id = $1;

-- Pushed authorization requests.

-- name: CreatePushedRequest :exec
INSERT INTO authserver.pushed_request (uri_hash, client_id, form, expires_at) VALUES ($1, $2, $3, $4);

-- name: GetPushedRequest :one
SELECT form FROM authserver.pushed_request WHERE uri_hash = @uri_hash AND client_id = @client_id AND expires_at > @now;

-- name: DeletePushedRequest :execrows
DELETE FROM authserver.pushed_request WHERE uri_hash = $1;

-- Codes.

-- name: CreateCode :exec
INSERT INTO authserver.code (signature, family_id, client_id, user_id, request, expires_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: GetCode :one
SELECT * FROM authserver.code WHERE signature = $1;

-- name: SpoilCode :exec
UPDATE authserver.code SET verified_at = $2 WHERE signature = $1;

-- The one winner of a code: the row is locked until its tokens are committed, and the others then find it used.
-- name: UseCode :execrows
UPDATE authserver.code SET used_at = @now WHERE signature = @signature AND used_at IS NULL;

-- Refresh tokens.

-- name: CreateRefreshToken :exec
INSERT INTO authserver.refresh_token (signature, family_id, client_id, user_id, request, created_at, expires_at, family_expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: GetRefreshToken :one
SELECT * FROM authserver.refresh_token WHERE signature = $1;

-- name: UseRefreshToken :execrows
UPDATE authserver.refresh_token SET used_at = @now WHERE signature = @signature AND used_at IS NULL;

-- name: DeleteFamily :execrows
DELETE FROM authserver.refresh_token WHERE family_id = $1;

-- name: DeleteFamiliesOfGrant :many
WITH gone AS (DELETE FROM authserver.refresh_token t WHERE t.user_id = $1 AND t.client_id = $2 RETURNING t.family_id),
     codes AS (DELETE FROM authserver.code c WHERE c.user_id = $1 AND c.client_id = $2 RETURNING c.family_id)
SELECT family_id FROM gone UNION SELECT family_id FROM codes;

-- Those whose person signed in before the given moment, however often they were refreshed since.
-- name: DeleteFamiliesOfUser :many
WITH gone AS (DELETE FROM authserver.refresh_token t WHERE t.user_id = @user_id AND (t.request -> 'session' ->> 'authTime')::timestamptz < @before::timestamptz RETURNING t.family_id),
     codes AS (DELETE FROM authserver.code c WHERE c.user_id = @user_id AND (c.request -> 'session' ->> 'authTime')::timestamptz < @before::timestamptz RETURNING c.family_id)
SELECT family_id FROM gone UNION SELECT family_id FROM codes;

-- name: DeleteTokensOfClient :exec
WITH codes AS (DELETE FROM authserver.code WHERE code.client_id = $1)
DELETE FROM authserver.refresh_token WHERE refresh_token.client_id = $1;

-- Signing keys.

-- name: ListKeys :many
SELECT * FROM authserver.signing_key ORDER BY activate_at DESC, kid;

-- One rotation at a time, on however many nodes.
-- name: LockKeys :exec
SELECT pg_advisory_xact_lock(hashtextextended('mshub/authserver/keys', 0));

-- name: CreateKey :exec
INSERT INTO authserver.signing_key (kid, algorithm, state, public, sealed, created_at, activate_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: SetKeyState :exec
UPDATE authserver.signing_key SET state = $2, retire_at = $3 WHERE kid = $1;

-- name: RetireKey :exec
UPDATE authserver.signing_key SET state = 'retired', sealed = NULL WHERE kid = $1;

-- Revocations.

-- name: Revoke :exec
INSERT INTO authserver.revocation (kind, id, time) VALUES ($1, $2, $3)
ON CONFLICT (kind, id) DO UPDATE SET time = greatest(authserver.revocation.time, excluded.time);

-- The same for one that was perhaps written before; says whether it was not.
-- name: RevokeNew :execrows
INSERT INTO authserver.revocation (kind, id, time) VALUES ($1, $2, $3)
ON CONFLICT (kind, id) DO UPDATE SET time = excluded.time WHERE authserver.revocation.time < excluded.time;

-- name: RevocationsSince :many
SELECT kind, id, time FROM authserver.revocation WHERE time >= $1 ORDER BY time;

-- name: RevocationsOf :many
SELECT kind, id, time FROM authserver.revocation r WHERE (r.kind, r.id) IN (('sid', @sid::text), ('sub', @sub::text), ('client', @client::text), ('jti', @jti::text));

-- Housekeeping: what has expired, in batches.

-- name: DeleteExpiredSessions :execrows
DELETE FROM authserver.session WHERE id = ANY (ARRAY(
    SELECT s.id FROM authserver.session s WHERE s.expires_at < @now OR s.used_at < @idle LIMIT @most));

-- name: DeleteExpiredCodes :execrows
DELETE FROM authserver.code WHERE signature = ANY (ARRAY(
    SELECT c.signature FROM authserver.code c WHERE c.expires_at < $1 LIMIT $2));

-- name: DeleteExpiredRefreshTokens :execrows
DELETE FROM authserver.refresh_token WHERE signature = ANY (ARRAY(
    SELECT r.signature FROM authserver.refresh_token r WHERE r.expires_at < $1 LIMIT $2));

-- name: DeleteExpiredPushedRequests :execrows
DELETE FROM authserver.pushed_request WHERE uri_hash = ANY (ARRAY(
    SELECT p.uri_hash FROM authserver.pushed_request p WHERE p.expires_at < $1 LIMIT $2));

-- name: DeleteExpiredRevocations :execrows
DELETE FROM authserver.revocation WHERE (kind, id) IN (
    SELECT r.kind, r.id FROM authserver.revocation r WHERE r.time < $1 LIMIT $2);
