-- Facts are told twice: to the processes that start on them (processed_at) and to the webhooks that asked for them
-- (fanned_at). Facts from before there were webhooks are told to none.

-- +goose Up
ALTER TABLE events.fact ADD COLUMN fanned_at timestamptz;
UPDATE events.fact SET fanned_at = created_at;
CREATE INDEX fact_unfanned ON events.fact (id) WHERE fanned_at IS NULL;

-- +goose Down
ALTER TABLE events.fact DROP COLUMN fanned_at;
