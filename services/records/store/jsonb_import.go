package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
)

// WriteChunk implements Documents. Rows that are all new go straight into the table by COPY; if some exist, all go through
// INSERT … ON CONFLICT. Both run in the order of ids, so that imports at the same time wait for each other instead of
// deadlocking, and neighbours in the index are written together.
func (s *JSONB) WriteChunk(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) (Counts, error) {
	slices.SortFunc(c.Rows, func(a, b Row) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	done, err := s.queries.LockChunk(ctx, tx, LockChunkParams{ImportID: c.Import, Chunk: c.Number})
	if err != nil {
		return Counts{}, err
	}
	if done {
		return s.ledger(ctx, tx, c.Import, c.Number)
	}
	counts, taken, err := s.writeRows(ctx, tx, shelf, c)
	if err != nil {
		return Counts{}, err
	}
	rejects := slices.Concat(c.Rejects, c.exists(taken))
	counts.Read, counts.Rejected = int64(len(c.Rows)+len(c.Rejects)), int64(len(rejects))
	if err := s.insertRejects(ctx, tx, c.Import, rejects); err != nil {
		return Counts{}, err
	}
	if c.ReplayOf != uuid.Nil {
		if err := s.queries.MarkReplayed(ctx, tx, MarkReplayedParams{ImportID: c.ReplayOf, Numbers: c.numbers(taken), Replayed: true}); err != nil {
			return Counts{}, err
		}
	}
	return counts, s.queries.FinishChunk(ctx, tx, FinishChunkParams{
		ImportID: c.Import, Chunk: c.Number,
		Inserted: counts.Inserted, Updated: counts.Updated, Unchanged: counts.Unchanged, Rejected: counts.Rejected, Deleted: counts.Deleted,
	})
}

// writeRows returns the rows that were not written because their record exists.
func (s *JSONB) writeRows(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) (counts Counts, taken []Row, err error) {
	rows := int64(len(c.Rows))
	if c.Mode == Delete {
		counts.Deleted, err = s.deleteRows(ctx, tx, shelf, c)
		counts.Unchanged = rows - counts.Deleted
		return counts, nil, err
	}
	copied, err := s.tryCopy(ctx, tx, shelf, c)
	switch {
	case err != nil:
		return counts, nil, err
	case copied:
		counts.Inserted = rows
	case c.Mode == Insert:
		taken, err = s.insertNew(ctx, tx, shelf, c)
		counts.Inserted = rows - int64(len(taken))
	default:
		counts.Inserted, counts.Updated, err = s.merge(ctx, tx, shelf, c)
		counts.Unchanged = rows - counts.Inserted - counts.Updated
	}
	return counts, taken, err
}

// tryCopy writes all rows by COPY, or reports false, having written none, because some exist.
func (s *JSONB) tryCopy(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) (bool, error) {
	if len(c.Rows) == 0 {
		return true, nil
	}
	if !c.Fresh {
		var some bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM unnest($2::uuid[]) AS r (id),
			LATERAL (SELECT FROM records.record e WHERE e.dataset_id = $1 AND e.id = r.id LIMIT 1) e)`, shelf.Dataset, ids(c.Rows)).Scan(&some)
		if err != nil || some {
			return false, err
		}
	}
	// A new document is told by its time from what was there, so that it can be undone; see UndoInserts.
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	_, err = savepoint.Conn().PgConn().CopyFrom(ctx, newCopyReader(shelf, c),
		"COPY records.document (dataset_id, id, data) FROM STDIN (FORMAT binary)")
	if postgres.Violates(err, "") {
		return false, savepoint.Rollback(ctx) // somebody else wrote one of them
	}
	if err != nil {
		return false, err
	}
	return true, savepoint.Commit(ctx)
}

// insertNew writes the rows whose record does not exist and returns the others.
func (s *JSONB) insertNew(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) ([]Row, error) {
	rows, err := tx.Query(ctx, `INSERT INTO records.record (organisation_id, dataset_id, id, data)
		SELECT $1, $2, r.id, r.data::jsonb FROM unnest($3::uuid[], $4::text[]) AS r (id, data)
		ON CONFLICT DO NOTHING RETURNING id`, shelf.Organisation, shelf.Dataset, ids(c.Rows), texts(c))
	if err != nil {
		return nil, err
	}
	written, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, err
	}
	inserted := make(map[uuid.UUID]bool, len(written))
	for _, id := range written {
		inserted[id] = true
	}
	var taken []Row
	for _, r := range c.Rows {
		if !inserted[r.ID] {
			taken = append(taken, r)
		}
	}
	return taken, nil
}

// merge inserts, updates, and leaves alone what is equal: equal documents are sorted out by reading, because ON CONFLICT
// would lock, and so write, each of them. LATERAL … LIMIT keeps the planner from reading the whole dataset for every chunk.
// A document's first revision is 1, so the answer tells inserts from updates. What is changed is kept for an undo.
func (s *JSONB) merge(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) (inserted, updated int64, err error) {
	err = tx.QueryRow(ctx, `WITH changed AS MATERIALIZED (
			SELECT r.id, r.data, e.revision, e.data AS was, e.create_time, e.update_time
			FROM (SELECT id, data::jsonb AS data FROM unnest($3::uuid[], $4::text[]) AS t (id, data)) r
			LEFT JOIN LATERAL (SELECT e.revision, e.data, e.create_time, e.update_time FROM records.record e WHERE e.dataset_id = $2 AND e.id = r.id LIMIT 1) e ON true
			WHERE e.data IS DISTINCT FROM r.data),
		kept AS (
			INSERT INTO records.import_undo (organisation_id, import_id, chunk, id, revision, data, create_time, update_time)
			SELECT $1, $5, $6, id, revision, was, create_time, update_time FROM changed WHERE was IS NOT NULL),
		written AS (
			INSERT INTO records.record AS d (organisation_id, dataset_id, id, revision, data)
			SELECT $1, $2, id, 1, data FROM changed
			ON CONFLICT (organisation_id, dataset_id, id) DO UPDATE
			SET data = excluded.data, revision = d.revision + 1, update_time = now()
			WHERE d.data IS DISTINCT FROM excluded.data
			RETURNING revision)
		SELECT count(*) FILTER (WHERE revision = 1), count(*) FILTER (WHERE revision > 1) FROM written`,
		shelf.Organisation, shelf.Dataset, ids(c.Rows), texts(c), c.Import, c.Number).Scan(&inserted, &updated)
	return inserted, updated, err
}

// deleteRows deletes the rows' records, in the order of ids, and keeps them for an undo.
func (s *JSONB) deleteRows(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) (deleted int64, err error) {
	err = tx.QueryRow(ctx, `WITH gone AS (
			DELETE FROM records.record WHERE dataset_id = $2
			AND id IN (SELECT id FROM records.record WHERE dataset_id = $2 AND id = ANY($3::uuid[]) ORDER BY id FOR UPDATE)
			RETURNING id, revision, data, create_time, update_time),
		kept AS (
			INSERT INTO records.import_undo (organisation_id, import_id, chunk, id, revision, data, create_time, update_time)
			SELECT $1, $4, $5, id, revision, data, create_time, update_time FROM gone)
		SELECT count(*) FROM gone`, shelf.Organisation, shelf.Dataset, ids(c.Rows), c.Import, c.Number).Scan(&deleted)
	return deleted, err
}

func (s *JSONB) ledger(ctx context.Context, tx pgx.Tx, imported uuid.UUID, chunk int32) (Counts, error) {
	row, err := s.queries.Chunk(ctx, tx, ChunkParams{ImportID: imported, Chunk: chunk})
	return row.counts(), err
}

func (c ImportChunk) counts() Counts {
	return Counts{c.Rows, c.Inserted, c.Updated, c.Unchanged, c.Rejected, c.Deleted}
}

// ChunkCounts implements Documents.
func (s *JSONB) ChunkCounts(ctx context.Context, organisation, imported uuid.UUID, chunk int32) (counts Counts, done bool, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		row, err := s.queries.Chunk(ctx, tx, ChunkParams{ImportID: imported, Chunk: chunk})
		if errors.Is(err, pgx.ErrNoRows) || !row.Done {
			return nil
		}
		counts, done = row.counts(), true
		return err
	})
	return counts, done, err
}

// ImportCounts implements Documents.
func (s *JSONB) ImportCounts(ctx context.Context, organisation, imported uuid.UUID) (counts Counts, chunks int64, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		sum, err := s.queries.ChunkTotals(ctx, tx, imported)
		counts, chunks = Counts{sum.Read, sum.Inserted, sum.Updated, sum.Unchanged, sum.Rejected, sum.Deleted}, sum.Chunks
		return err
	})
	return counts, chunks, err
}

// ForgetImport implements Documents: everything of an import goes at once.
func (s *JSONB) ForgetImport(ctx context.Context, organisation, imported uuid.UUID) error {
	return s.db.Tx(ctx, organisation, func(tx pgx.Tx) error { return s.queries.DeleteImport(ctx, tx, imported) })
}

func ids(rows []Row) []uuid.UUID {
	all := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		all[i] = r.ID
	}
	return all
}

func texts(c Chunk) []string {
	all := make([]string, len(c.Rows))
	for i, r := range c.Rows {
		all[i] = string(c.data(r))
	}
	return all
}

// copyReader writes rows in PostgreSQL's binary COPY format as they are asked for.
type copyReader struct {
	chunk  Chunk
	next   int
	buf    []byte
	tuple  []byte // of every row: number of fields, dataset, length of the id
	closed bool
}

func newCopyReader(shelf Shelf, c Chunk) *copyReader {
	r := &copyReader{chunk: c}
	r.buf = append(r.buf, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	r.tuple = binary.BigEndian.AppendUint16(nil, 3)
	r.tuple = append(binary.BigEndian.AppendUint32(r.tuple, 16), shelf.Dataset[:]...)
	r.tuple = binary.BigEndian.AppendUint32(r.tuple, 16)
	return r
}

const jsonbVersion = 1

func (r *copyReader) Read(p []byte) (int, error) {
	for len(r.buf) < len(p) && r.next < len(r.chunk.Rows) {
		row := r.chunk.Rows[r.next]
		r.next++
		r.buf = append(append(r.buf, r.tuple...), row.ID[:]...)
		r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(row.To-row.From)+1)
		r.buf = append(append(r.buf, jsonbVersion), r.chunk.data(row)...)
	}
	if r.next == len(r.chunk.Rows) && !r.closed {
		r.buf, r.closed = append(r.buf, 0xff, 0xff), true
	}
	if len(r.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.buf)
	r.buf = r.buf[:copy(r.buf, r.buf[n:])]
	return n, nil
}
