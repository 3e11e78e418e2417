-- Who delegated a task may take it back: then it is for whom it was first.

-- +goose Up
ALTER TABLE runs.task ADD COLUMN delegated_from text NOT NULL DEFAULT ''; -- "users/ID" or "roles/NAME"; empty: there is nothing to take back

-- +goose Down
ALTER TABLE runs.task DROP COLUMN delegated_from;
