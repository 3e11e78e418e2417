-- name: InsertOrganisation :exec
INSERT INTO identity.organisations (id, display_name, created_at) VALUES ($1, $2, $3);

-- name: ActiveOrganisation :one
SELECT * FROM identity.organisations WHERE id = mshub.org();

-- name: FirstOrganisation :one
-- The installation's own: where the first administrator is, and where sign-ups apply.
SELECT * FROM identity.organisations ORDER BY created_at, id LIMIT 1;

-- name: LockActiveOrganisation :one
-- Changes of memberships, roles and states wait for one another, so that an organisation always keeps an administrator.
SELECT id FROM identity.organisations WHERE id = mshub.org() FOR NO KEY UPDATE;

-- name: RenameOrganisation :exec
UPDATE identity.organisations SET display_name = $1 WHERE id = mshub.org();

-- name: OrganisationsOf :many
SELECT o.* FROM identity.belongings b JOIN identity.organisations o ON o.id = b.organisation_id
WHERE b.user_id = $1 ORDER BY o.display_name, o.id;

-- name: HomeOf :one
-- The organisation that a person works in when none is named: the last used, else the oldest.
SELECT o.* FROM identity.belongings b JOIN identity.organisations o ON o.id = b.organisation_id
WHERE b.user_id = $1 ORDER BY b.used_at DESC NULLS LAST, b.created_at, o.id LIMIT 1;

-- name: OrganisationOf :one
SELECT o.* FROM identity.belongings b JOIN identity.organisations o ON o.id = b.organisation_id
WHERE b.user_id = $1 AND b.organisation_id = $2;

-- name: TouchBelonging :exec
-- Unless it was touched after the moment given.
UPDATE identity.belongings SET used_at = @now
WHERE user_id = @user_id AND organisation_id = @organisation_id AND (used_at IS NULL OR used_at < @unless_since);

-- name: InsertBelonging :exec
-- Goes before InsertMembership.
INSERT INTO identity.belongings (user_id, organisation_id, created_at) VALUES ($1, mshub.org(), $2);

-- name: InsertMembership :exec
INSERT INTO identity.memberships (organisation_id, id, user_id, roles, created_at) VALUES (mshub.org(), $1, $2, $3, $4);

-- name: Membership :one
SELECT * FROM identity.memberships WHERE organisation_id = mshub.org() AND id = $1;

-- name: MembershipOf :one
SELECT * FROM identity.memberships WHERE organisation_id = mshub.org() AND user_id = $1;

-- name: ListMemberships :many
SELECT * FROM identity.memberships WHERE organisation_id = mshub.org() AND id > $1 ORDER BY id LIMIT $2;

-- name: SetMembershipRoles :exec
UPDATE identity.memberships SET roles = $2 WHERE organisation_id = mshub.org() AND id = $1;

-- name: SetDigest :execrows
-- 0 rows: it was so already, or there is no such member.
UPDATE identity.memberships SET digest = @digest WHERE organisation_id = mshub.org() AND user_id = @user_id AND digest <> @digest;

-- name: DeleteBelonging :exec
-- The membership goes with it.
DELETE FROM identity.belongings WHERE user_id = $1 AND organisation_id = mshub.org();

-- name: OtherAdministrators :one
-- How many active administrators there are beside one person.
SELECT count(*) FROM identity.memberships m JOIN identity.users u ON u.id = m.user_id
WHERE m.organisation_id = mshub.org() AND 'admin' = ANY (m.roles) AND u.state = 'ACTIVE' AND m.user_id <> $1;

-- name: InsertRole :execrows
INSERT INTO identity.roles (organisation_id, slug, title, permissions, builtin) VALUES (mshub.org(), $1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: Role :one
SELECT * FROM identity.roles WHERE organisation_id = mshub.org() AND slug = $1;

-- name: ListRoles :many
SELECT * FROM identity.roles WHERE organisation_id = mshub.org() ORDER BY builtin DESC, slug;

-- name: RolesNamed :many
SELECT * FROM identity.roles WHERE organisation_id = mshub.org() AND slug = ANY (@slugs::text[]) ORDER BY slug;

-- name: UpdateRole :exec
UPDATE identity.roles SET title = $2, permissions = $3 WHERE organisation_id = mshub.org() AND slug = $1;

-- name: DeleteRole :exec
DELETE FROM identity.roles WHERE organisation_id = mshub.org() AND slug = $1;

-- name: HoldersOfRole :many
SELECT user_id FROM identity.memberships WHERE organisation_id = mshub.org() AND @slug::text = ANY (roles);

-- name: RoleIsPromised :one
SELECT EXISTS (SELECT 1 FROM identity.invitations WHERE organisation_id = mshub.org() AND role = @slug AND state = 'PENDING' AND expires_at > @now);

-- name: PermissionsOf :many
-- What a person may do in the active organisation.
SELECT DISTINCT unnest(r.permissions)::text AS permission
FROM identity.memberships m
JOIN identity.roles r ON r.organisation_id = m.organisation_id AND r.slug = ANY (m.roles)
WHERE m.organisation_id = mshub.org() AND m.user_id = $1
ORDER BY 1;

-- name: InsertInvitation :exec
INSERT INTO identity.invitations (organisation_id, id, user_id, email, display_name, role, run, state, joins, created_at, expires_at)
VALUES (mshub.org(), @id, @user_id, @email, @display_name, @role, @run, @state, @joins, @created_at, @expires_at);

-- name: Invitation :one
SELECT * FROM identity.invitations WHERE organisation_id = mshub.org() AND id = $1;

-- name: LockInvitation :one
SELECT * FROM identity.invitations WHERE organisation_id = mshub.org() AND id = $1 FOR UPDATE;

-- name: InvitationOfRun :one
-- What a run has made, for the run that never got the answer.
SELECT id FROM identity.invitations WHERE organisation_id = mshub.org() AND run = $1 ORDER BY id DESC LIMIT 1;

-- name: ListInvitations :many
SELECT * FROM identity.invitations WHERE organisation_id = mshub.org() AND id < $1 ORDER BY id DESC LIMIT $2;

-- name: OpenInvitationsOf :many
SELECT * FROM identity.invitations WHERE organisation_id = mshub.org() AND user_id = $1 AND state <> 'WITHDRAWN' FOR UPDATE;

-- name: SetInvitationState :exec
UPDATE identity.invitations SET state = $2 WHERE organisation_id = mshub.org() AND id = $1;

-- name: LatestInvitationOf :one
SELECT * FROM identity.invitations WHERE organisation_id = mshub.org() AND user_id = $1 AND state <> 'WITHDRAWN' ORDER BY id DESC LIMIT 1;
