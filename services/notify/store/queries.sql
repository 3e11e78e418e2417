-- name: InsertMessage :execrows
-- 0 rows: the Message-ID was used before.
INSERT INTO notify.messages (organisation_id, id, message_id, request_hash, template, recipient, run, state, claimed_at, created_at)
VALUES (mshub.org(), @id, @message_id, @request_hash, @template, @recipient, @run, 'SENDING', @now, @now)
ON CONFLICT (organisation_id, message_id) DO NOTHING;

-- name: LockMessage :one
SELECT * FROM notify.messages WHERE organisation_id = mshub.org() AND message_id = $1 FOR UPDATE;

-- name: ClaimMessage :exec
UPDATE notify.messages SET state = 'SENDING', error = '', claimed_at = $2 WHERE organisation_id = mshub.org() AND id = $1;

-- name: FinishMessage :one
UPDATE notify.messages SET state = @state, error = @error, sent_at = @sent_at WHERE organisation_id = mshub.org() AND id = @id RETURNING *;

-- name: ListMessages :many
SELECT * FROM notify.messages WHERE organisation_id = mshub.org() AND id < $1 ORDER BY id DESC LIMIT $2;

-- name: CountMessagesTo :one
SELECT count(*) FROM notify.messages WHERE organisation_id = mshub.org() AND lower(recipient) = @email;

-- name: EraseMessagesTo :execrows
UPDATE notify.messages SET recipient = 'erased', error = '' WHERE organisation_id = mshub.org() AND lower(recipient) = @email;

-- name: EraseCapturedTo :exec
DELETE FROM notify.captured WHERE lower(recipient) = @email;

-- name: ForgetMessages :execrows
-- As mshub_system.
DELETE FROM notify.messages WHERE (organisation_id, id) IN (SELECT m.organisation_id, m.id FROM notify.messages m WHERE m.created_at < $1 LIMIT $2);

-- name: InsertCaptured :exec
INSERT INTO notify.captured (id, message_id, sender, recipient, subject, text, html, created_at)
VALUES (@id, @message_id, @sender, @recipient, @subject, @text, @html, @created_at)
ON CONFLICT (message_id) DO NOTHING;

-- name: ListCaptured :many
-- The newest first; an empty recipient means everybody.
SELECT * FROM notify.captured WHERE @recipient::text = '' OR lower(recipient) = lower(@recipient::text) ORDER BY id DESC LIMIT $1;

-- name: ForgetCaptured :exec
DELETE FROM notify.captured WHERE created_at < $1;
