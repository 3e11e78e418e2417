-- Who has ever been shown a secret of a client: whoever has it is the client, and where several people must look the two are one.

-- +goose Up
ALTER TABLE authserver.client ADD COLUMN keepers text[] NOT NULL DEFAULT '{}'; -- "users/ID", who registered it first; none if it was made on the machine itself, or before this was noted

COMMENT ON COLUMN authserver.code.verified_at IS 'a redemption brought a wrong proof: from then on the code is refused';

-- +goose Down
COMMENT ON COLUMN authserver.code.verified_at IS NULL;
ALTER TABLE authserver.client DROP COLUMN keepers;
