-- name: Seal :one
-- Chains what is unsealed, at most batch entries an organisation. As mshub_system.
SELECT audit.seal(sqlc.arg(batch)::integer)::bigint AS sealed;

-- name: VerifyChain :one
-- Recomputes every link of one organisation's chain, and the digest of every detail that was not erased.
-- broken_at is the first position that does not fit; 0 = all do.
WITH link AS (
    SELECT row_number() OVER chain AS place,
           e.position = row_number() OVER chain
               AND e.hash = audit.link(coalesce(lag(e.hash) OVER chain, ''::bytea), e.position, e.organisation_id, e.id, e.time, e.actor, e.run, e.action, e.target, e.digest)
               AND (d.entry_id IS NULL OR e.digest = audit.digest(d.salt, d.before, d.after, d.remote_address, d.reason)) AS fits,
           e.hash
    FROM audit.entry e
    LEFT JOIN audit.detail d ON d.organisation_id = e.organisation_id AND d.entry_id = e.id
    WHERE e.organisation_id = sqlc.arg(organisation_id) AND e.position IS NOT NULL
    WINDOW chain AS (ORDER BY e.position)
), summary AS (
    SELECT count(*) AS entries, min(place) FILTER (WHERE fits IS NOT TRUE) AS misfit, (array_agg(hash ORDER BY place DESC))[1] AS last FROM link
)
SELECT summary.entries::bigint AS entries,
       coalesce(summary.misfit, CASE
           WHEN summary.entries = 0 AND head.position IS NULL THEN 0
           WHEN summary.entries = head.position AND summary.last = head.hash THEN 0
           WHEN summary.entries < head.position THEN summary.entries + 1 -- cut off at the end
           ELSE summary.entries END)::bigint AS broken_at
FROM summary
LEFT JOIN audit.chain head ON head.organisation_id = sqlc.arg(organisation_id);

-- name: DetailsAbout :one
-- How many entries have details by or about a person. As mshub_system.
SELECT count(*) FROM audit.detail d JOIN audit.entry e ON e.organisation_id = d.organisation_id AND e.id = d.entry_id
WHERE d.organisation_id = sqlc.arg(organisation_id)
    AND (e.actor = sqlc.arg(person) OR e.target = sqlc.arg(person)
        OR position(sqlc.arg(id)::text IN d.before::text || d.after::text) > 0
        OR sqlc.arg(email)::text <> '' AND position(sqlc.arg(email)::text IN lower(d.before::text || d.after::text || d.reason)) > 0)
    AND e.action <> 'services.audit.v1.AuditService/EraseDetails';

-- name: EraseDetailsAbout :execrows
-- As mshub_system.
DELETE FROM audit.detail d USING audit.entry e
WHERE d.organisation_id = sqlc.arg(organisation_id) AND e.organisation_id = d.organisation_id AND e.id = d.entry_id
    AND (e.actor = sqlc.arg(person) OR e.target = sqlc.arg(person)
        OR position(sqlc.arg(id)::text IN d.before::text || d.after::text) > 0
        OR sqlc.arg(email)::text <> '' AND position(sqlc.arg(email)::text IN lower(d.before::text || d.after::text || d.reason)) > 0)
    AND e.action <> 'services.audit.v1.AuditService/EraseDetails';
