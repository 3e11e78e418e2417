-- name: InsertUser :execrows
-- 0 rows: the address is taken.
INSERT INTO identity.users (id, email, email_norm, display_name, state, invited_by, created_at, updated_at)
VALUES (@id, @email, @email_norm, @display_name, 'INVITED', @invited_by, @now, @now)
ON CONFLICT (email_norm) DO NOTHING;

-- name: UserByID :one
-- Whoever it is: only for what concerns the person alone.
SELECT * FROM identity.users WHERE id = $1;

-- name: UserByEmail :one
SELECT * FROM identity.users WHERE email_norm = $1;

-- name: LockUser :one
SELECT * FROM identity.users WHERE id = $1 FOR UPDATE;

-- name: VisibleUser :one
-- A user whom the active organisation knows: a member, or somebody it invited.
SELECT sqlc.embed(u), coalesce(m.roles, '{}')::text[] AS roles, m.id AS membership
FROM identity.users u
LEFT JOIN identity.memberships m ON m.organisation_id = mshub.org() AND m.user_id = u.id
WHERE u.id = $1
  AND (m.id IS NOT NULL OR EXISTS (
      SELECT 1 FROM identity.invitations i WHERE i.organisation_id = mshub.org() AND i.user_id = u.id AND i.state <> 'WITHDRAWN'));

-- name: SetDisplayName :exec
UPDATE identity.users SET display_name = @display_name, updated_at = @now WHERE id = @id;

-- name: SetUserState :exec
UPDATE identity.users SET state = @state, updated_at = @now WHERE id = @id;

-- name: ActivateUser :exec
-- The person has shown that the address is theirs.
UPDATE identity.users SET email_verified = true, state = 'ACTIVE', updated_at = @now WHERE id = @id;

-- name: SetSignedIn :exec
UPDATE identity.users SET signed_in_at = $2 WHERE id = $1;

-- name: SetInvitedBy :exec
UPDATE identity.users SET invited_by = @invitation WHERE id = @id;

-- name: DeleteUserIfAlone :execrows
-- Removes an account that no organisation knows any more: no membership, no other invitation, open or answered.
-- Withdrawing an invitation deletes its link, so a link stands for an invitation.
DELETE FROM identity.users u
WHERE u.id = $1
  AND NOT EXISTS (SELECT 1 FROM identity.belongings b WHERE b.user_id = u.id)
  AND NOT EXISTS (SELECT 1 FROM identity.links l WHERE l.user_id = u.id AND l.kind = 'INVITATION');

-- name: IsKnown :one
-- Whether any organisation has or invited the person.
SELECT (EXISTS (SELECT 1 FROM identity.belongings b WHERE b.user_id = @id::uuid)
     OR EXISTS (SELECT 1 FROM identity.links l WHERE l.user_id = @id::uuid AND l.kind = 'INVITATION'))::boolean AS known;

-- name: BelongsElsewhere :one
SELECT EXISTS (SELECT 1 FROM identity.belongings WHERE user_id = $1 AND organisation_id <> mshub.org());

-- name: InsertAccessChange :exec
INSERT INTO identity.access_changes (id, user_id, kind, time) VALUES ($1, $2, $3, clock_timestamp());

-- name: ListAccessChanges :many
SELECT user_id, kind, time FROM identity.access_changes WHERE time > $1 ORDER BY time, id LIMIT $2;
