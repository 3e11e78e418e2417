-- name: KnownElsewhere :one
-- Whether another organisation has or invited the person.
SELECT (EXISTS (SELECT 1 FROM identity.belongings b WHERE b.user_id = @id::uuid AND b.organisation_id <> mshub.org())
     OR EXISTS (SELECT 1 FROM identity.links l WHERE l.user_id = @id::uuid AND l.kind = 'INVITATION' AND l.organisation_id <> mshub.org()))::boolean AS known;

-- name: CountInvitationsOf :one
SELECT count(*) FROM identity.invitations WHERE organisation_id = mshub.org() AND (user_id = @user_id OR lower(email) = @email);

-- name: DeleteInvitationsOf :exec
-- Their links are to be dropped first.
DELETE FROM identity.invitations WHERE organisation_id = mshub.org() AND (user_id = @user_id OR lower(email) = @email);

-- name: DropInvitationLinksOf :exec
DELETE FROM identity.links WHERE user_id = @user_id AND kind = 'INVITATION' AND organisation_id = mshub.org();

-- name: CountBulkLinesOf :one
SELECT count(*) FROM identity.bulk_lines WHERE organisation_id = mshub.org() AND (lower(email) = @email OR user_id = @user_id);

-- name: BlankBulkLinesOf :exec
UPDATE identity.bulk_lines SET email = '', display_name = '', message = '', user_id = NULL
WHERE organisation_id = mshub.org() AND (lower(email) = @email OR user_id = @user_id);

-- name: ForgetAttemptsOf :exec
DELETE FROM identity.sign_in_attempts WHERE account = $1;
