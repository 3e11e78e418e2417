-- name: InsertBulk :exec
INSERT INTO identity.bulks (organisation_id, run, action, role, reason, dry_run, lifetime, batches, people, state, created_at)
VALUES (mshub.org(), @run, @action, @role, @reason, @dry_run, @lifetime, @batches, @people, 'PLANNED', @created_at);

-- name: InsertBulkLines :exec
INSERT INTO identity.bulk_lines (organisation_id, run, line, batch, user_id, email, display_name, role, outcome, reason, message)
SELECT mshub.org(), @run, unnest(@lines::bigint[]), unnest(@batches::integer[]), nullif(unnest(@users::uuid[]), '00000000-0000-0000-0000-000000000000'),
    unnest(@emails::text[]), unnest(@display_names::text[]), unnest(@roles::text[]), unnest(@outcomes::text[]), unnest(@reasons::text[]), unnest(@messages::text[]);

-- name: Bulk :one
SELECT * FROM identity.bulks WHERE organisation_id = mshub.org() AND run = $1;

-- name: BulkLines :many
-- Lines of a batch, or of all batches (0), that have an outcome of the list.
SELECT * FROM identity.bulk_lines
WHERE organisation_id = mshub.org() AND run = @run AND (@batch::integer = 0 OR batch = @batch) AND outcome = ANY (@outcomes::text[])
ORDER BY line LIMIT @most;

-- name: SetBulkLine :exec
UPDATE identity.bulk_lines SET user_id = @user_id, outcome = @outcome, reason = @reason, message = @message, before = @before, after = @after, invitation = @invitation
WHERE organisation_id = mshub.org() AND run = @run AND line = @line;

-- name: RefuseBulkLine :one
-- An invitation whose mail no server took.
UPDATE identity.bulk_lines SET outcome = 'FAILED', reason = @reason, message = @message
WHERE organisation_id = mshub.org() AND run = @run AND line = @line AND outcome = 'DONE' RETURNING invitation;

-- name: CountBulk :many
SELECT outcome, count(*) AS lines FROM identity.bulk_lines
WHERE organisation_id = mshub.org() AND run = @run AND (@batch::integer = 0 OR batch = @batch) GROUP BY outcome;

-- name: EndBulk :exec
UPDATE identity.bulks SET state = @state, list_size = @list_size, list_sha256 = @list_sha256 WHERE organisation_id = mshub.org() AND run = @run;

-- name: MembersByEmail :many
SELECT u.id, u.email_norm FROM identity.memberships m JOIN identity.users u ON u.id = m.user_id
WHERE m.organisation_id = mshub.org() AND u.email_norm = ANY (@emails::text[]);

-- name: HasOpenInvitation :one
SELECT EXISTS (SELECT 1 FROM identity.invitations WHERE organisation_id = mshub.org() AND user_id = @user_id AND state = 'PENDING' AND expires_at > @now);

-- name: LinksOfInvitations :many
SELECT id, hash, invitation_id FROM identity.links WHERE invitation_id = ANY (@invitations::uuid[]);

-- name: Addressees :many
-- Active members who are named or have one of the roles; for a digest without those who want none, and with a permission
-- those alone who have it.
SELECT u.id, u.email, u.display_name, m.roles FROM identity.memberships m JOIN identity.users u ON u.id = m.user_id
WHERE m.organisation_id = mshub.org() AND u.state = 'ACTIVE' AND (u.id = ANY (@users::uuid[]) OR m.roles && @roles::text[])
  AND (m.digest OR NOT @digest::boolean)
  AND (@permission::text = '' OR EXISTS (
      SELECT 1 FROM identity.roles r WHERE r.organisation_id = m.organisation_id AND r.slug = ANY (m.roles)
      AND r.permissions && ARRAY['*', @permission::text, split_part(@permission::text, '.', 1) || '.*']))
ORDER BY u.email_norm;

-- name: ForgetBulks :execrows
-- As mshub_system.
DELETE FROM identity.bulks WHERE (organisation_id, run) IN (
    SELECT b.organisation_id, b.run FROM identity.bulks b WHERE b.created_at < @before::timestamptz LIMIT @batch);
