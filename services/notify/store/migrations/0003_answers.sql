-- Answers of calls that may be repeated under their idempotency key; never a secret.

-- +goose Up
CALL mshub.idempotency('notify');

-- +goose Down
DROP TABLE notify.idempotency;
