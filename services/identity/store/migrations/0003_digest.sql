-- Who wants no digest.

-- +goose Up
ALTER TABLE identity.memberships ADD COLUMN digest boolean NOT NULL DEFAULT true; -- the mail of what waits, of this organisation

-- +goose Down
ALTER TABLE identity.memberships DROP COLUMN digest;
