-- Searches that stay quick whatever the words; one retry of a run at a time.

-- +goose Up
-- Every word wanted, the last may be cut short at its end; null if the text has no word. A cut one brings all places of all
-- words that begin so, a whole one is looked up where the others leave it a chance: so a common word costs nothing.
CREATE OR REPLACE FUNCTION runs.wanted(search text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsquery('simple', replace(nullif(btrim(regexp_replace(search, '[^[:alnum:]]+', ' ', 'g')), ''), ' ', ' & ') || ':*');

CREATE INDEX run_retry ON runs.run (retried_from) WHERE retried_from IS NOT NULL AND ended_at IS NULL;

-- +goose Down
DROP INDEX runs.run_retry;
CREATE OR REPLACE FUNCTION runs.wanted(search text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsquery('simple', (SELECT string_agg(word || ':*', ' & ') FROM regexp_split_to_table(search, '[^[:alnum:]]+') AS word WHERE word <> ''));
