-- name: InsertWebhook :one
INSERT INTO notify.webhook (organisation_id, id, title, url, events, state, secret, creator, created_at, updated_at)
VALUES (mshub.org(), @id, @title, @url, @events, @state, @secret, @creator, @now, @now)
RETURNING *;

-- name: CountWebhooks :one
SELECT count(*) FROM notify.webhook WHERE organisation_id = mshub.org();

-- name: Webhook :one
SELECT * FROM notify.webhook WHERE organisation_id = mshub.org() AND id = $1;

-- name: LockWebhook :one
SELECT * FROM notify.webhook WHERE organisation_id = mshub.org() AND id = $1 FOR UPDATE;

-- name: ListWebhooks :many
SELECT * FROM notify.webhook WHERE organisation_id = mshub.org() AND id > $1 ORDER BY id LIMIT $2;

-- name: UpdateWebhook :one
UPDATE notify.webhook
SET title = @title, url = @url, events = @events, state = @state, disabled_reason = @disabled_reason, failing_since = @failing_since, updated_at = @now
WHERE organisation_id = mshub.org() AND id = @id
RETURNING *;

-- name: SetWebhookSecret :one
UPDATE notify.webhook SET secret = @secret, old_secret = @old_secret, old_secret_until = @old_secret_until, updated_at = @now
WHERE organisation_id = mshub.org() AND id = @id
RETURNING *;

-- name: DeleteWebhook :execrows
DELETE FROM notify.webhook WHERE organisation_id = mshub.org() AND id = $1;

-- name: EnabledWebhooks :many
-- Who wants to be told, of several organisations. As mshub_system.
SELECT organisation_id, id, events FROM notify.webhook WHERE state = 'ENABLED' AND organisation_id = ANY(sqlc.arg(organisations)::uuid[]);

-- name: InsertDelivery :execrows
-- 0 rows: this fact has its delivery.
INSERT INTO notify.delivery (organisation_id, id, webhook, fact, event, data, happened_at, state, created_at, next_attempt_at)
VALUES (mshub.org(), @id, @webhook, @fact, @event, @data, @happened_at, 'PENDING', @now, @now)
ON CONFLICT (organisation_id, webhook, fact) DO NOTHING;

-- name: Delivery :one
SELECT * FROM notify.delivery WHERE organisation_id = mshub.org() AND webhook = $1 AND id = $2;

-- name: PingSince :one
-- When the webhook's newest ping was made, if it is so young.
SELECT created_at FROM notify.delivery
WHERE organisation_id = mshub.org() AND webhook = @webhook AND fact IS NULL AND created_at > @since
ORDER BY created_at DESC LIMIT 1;

-- name: LockDelivery :one
SELECT * FROM notify.delivery WHERE organisation_id = mshub.org() AND webhook = $1 AND id = $2 FOR UPDATE;

-- name: ListDeliveries :many
-- The newest first; an empty state means all.
SELECT * FROM notify.delivery
WHERE organisation_id = mshub.org() AND webhook = @webhook AND id < @before AND (@state::text = '' OR state = @state::text)
ORDER BY id DESC LIMIT @page;

-- name: ClaimDelivery :one
UPDATE notify.delivery SET attempts = attempts + 1, claimed_until = @until WHERE organisation_id = mshub.org() AND id = @id RETURNING *;

-- name: EndAttempt :one
UPDATE notify.delivery
SET state = @state, last_status = @last_status, latency_ms = @latency_ms, error = @error, claimed_until = NULL,
    last_attempt_at = @now, next_attempt_at = @next_attempt_at
WHERE organisation_id = mshub.org() AND id = @id
RETURNING *;

-- name: GiveUpDelivery :one
-- Without an attempt.
UPDATE notify.delivery SET state = 'FAILED', error = @error, claimed_until = NULL, next_attempt_at = NULL
WHERE organisation_id = mshub.org() AND id = @id
RETURNING *;

-- name: ReviveDelivery :one
UPDATE notify.delivery SET state = 'PENDING', attempts = 0, claimed_until = NULL, next_attempt_at = @now
WHERE organisation_id = mshub.org() AND id = @id
RETURNING *;

-- name: OverdueDeliveries :many
-- Their run was lost or gave up; somebody must take them on. As mshub_system.
UPDATE notify.delivery SET next_attempt_at = @now
WHERE (organisation_id, id) IN (
    SELECT d.organisation_id, d.id FROM notify.delivery d
    WHERE d.state = 'PENDING' AND d.next_attempt_at < @before AND (d.claimed_until IS NULL OR d.claimed_until < @before)
    ORDER BY d.next_attempt_at LIMIT @batch FOR UPDATE SKIP LOCKED)
RETURNING organisation_id, id, webhook;

-- name: ForgetDeliveries :execrows
-- As mshub_system.
DELETE FROM notify.delivery WHERE (organisation_id, id) IN (
    SELECT d.organisation_id, d.id FROM notify.delivery d WHERE d.created_at < @before AND d.state <> 'PENDING' LIMIT @batch);

-- name: CountDeliveriesAbout :one
SELECT count(*) FROM notify.delivery WHERE organisation_id = mshub.org() AND @subject::text <> '' AND position(lower(@subject::text) IN lower(data::text)) > 0;

-- name: EraseDeliveriesAbout :execrows
-- What was not sent yet is sent without saying of whom.
UPDATE notify.delivery SET data = '{"erased": true}' WHERE organisation_id = mshub.org() AND @subject::text <> '' AND position(lower(@subject::text) IN lower(data::text)) > 0;
