-- The people behind a machine client that starts a run, or plans one: where several people must look they are its starters.

-- +goose Up
ALTER TABLE runs.run ADD COLUMN keepers text[] NOT NULL DEFAULT '{}';      -- "users/ID", who know the client's secret; emptied when the run ends
ALTER TABLE runs.schedule ADD COLUMN keepers text[] NOT NULL DEFAULT '{}'; -- of the client that made or last changed it

-- +goose Down
ALTER TABLE runs.schedule DROP COLUMN keepers;
ALTER TABLE runs.run DROP COLUMN keepers;
