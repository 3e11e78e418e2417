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
func (s *JSONB) WriteChunk(ctx context.Context, shelf Shelf, c Chunk) (counts Counts, err error) {
	slices.SortFunc(c.Rows, func(a, b Row) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		counts, err = s.writeChunk(ctx, tx, shelf, c)
		return err
	})
	return counts, err
}

func (s *JSONB) writeChunk(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) (Counts, error) {
	done, err := s.queries.LockChunk(ctx, tx, LockChunkParams{ImportID: c.Import, Chunk: c.Number})
	if err != nil {
		return Counts{}, err
	}
	if done {
		return s.ledger(ctx, tx, c.Import, c.Number)
	}
	counts := Counts{Read: int64(len(c.Rows) + len(c.Rejects))}
	rejects := c.Rejects
	copied, err := s.tryCopy(ctx, tx, shelf, c)
	switch {
	case err != nil:
		return Counts{}, err
	case copied:
		counts.Inserted = int64(len(c.Rows))
	case c.InsertOnly:
		taken, err := s.insertNew(ctx, tx, shelf, c)
		if err != nil {
			return Counts{}, err
		}
		counts.Inserted = int64(len(c.Rows) - len(taken))
		rejects = slices.Concat(rejects, exists(taken))
	default:
		if counts.Inserted, counts.Updated, err = s.merge(ctx, tx, shelf, c); err != nil {
			return Counts{}, err
		}
		counts.Unchanged = int64(len(c.Rows)) - counts.Inserted - counts.Updated
	}
	counts.Rejected = int64(len(rejects))
	if err := s.insertRejects(ctx, tx, c.Import, rejects); err != nil {
		return Counts{}, err
	}
	return counts, s.queries.FinishChunk(ctx, tx, FinishChunkParams{
		ImportID: c.Import, Chunk: c.Number,
		Inserted: counts.Inserted, Updated: counts.Updated, Unchanged: counts.Unchanged, Rejected: counts.Rejected,
	})
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
// A document's first revision is 1, so the answer tells inserts from updates.
func (s *JSONB) merge(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) (inserted, updated int64, err error) {
	err = tx.QueryRow(ctx, `WITH written AS (
			INSERT INTO records.record AS d (organisation_id, dataset_id, id, revision, data)
			SELECT $1, $2, r.id, 1, r.data
			FROM (SELECT id, data::jsonb AS data FROM unnest($3::uuid[], $4::text[]) AS t (id, data)) r
			LEFT JOIN LATERAL (SELECT e.data FROM records.record e WHERE e.dataset_id = $2 AND e.id = r.id LIMIT 1) e ON true
			WHERE e.data IS DISTINCT FROM r.data
			ON CONFLICT (organisation_id, dataset_id, id) DO UPDATE
			SET data = excluded.data, revision = d.revision + 1, update_time = now()
			WHERE d.data IS DISTINCT FROM excluded.data
			RETURNING revision)
		SELECT count(*) FILTER (WHERE revision = 1), count(*) FILTER (WHERE revision > 1) FROM written`,
		shelf.Organisation, shelf.Dataset, ids(c.Rows), texts(c)).Scan(&inserted, &updated)
	return inserted, updated, err
}

func (s *JSONB) insertRejects(ctx context.Context, tx pgx.Tx, imported uuid.UUID, rejects []Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	p := InsertRejectsParams{ImportID: imported}
	for _, r := range rejects {
		p.Lines, p.Columns = append(p.Lines, r.Line), append(p.Columns, r.Column)
		p.Values, p.Reasons = append(p.Values, r.Value), append(p.Reasons, r.Reason)
	}
	return s.queries.InsertRejects(ctx, tx, p)
}

func (s *JSONB) ledger(ctx context.Context, tx pgx.Tx, imported uuid.UUID, chunk int32) (Counts, error) {
	row, err := s.queries.Chunk(ctx, tx, ChunkParams{ImportID: imported, Chunk: chunk})
	return Counts{row.Rows, row.Inserted, row.Updated, row.Unchanged, row.Rejected}, err
}

// ChunkCounts implements Documents.
func (s *JSONB) ChunkCounts(ctx context.Context, organisation, imported uuid.UUID, chunk int32) (counts Counts, done bool, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		row, err := s.queries.Chunk(ctx, tx, ChunkParams{ImportID: imported, Chunk: chunk})
		if errors.Is(err, pgx.ErrNoRows) || !row.Done {
			return nil
		}
		counts, done = Counts{row.Rows, row.Inserted, row.Updated, row.Unchanged, row.Rejected}, true
		return err
	})
	return counts, done, err
}

// ImportCounts implements Documents.
func (s *JSONB) ImportCounts(ctx context.Context, organisation, imported uuid.UUID) (counts Counts, chunks int64, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		sum, err := s.queries.ChunkTotals(ctx, tx, imported)
		counts, chunks = Counts{sum.Read, sum.Inserted, sum.Updated, sum.Unchanged, sum.Rejected}, sum.Chunks
		return err
	})
	return counts, chunks, err
}

// Rejects implements Documents.
func (s *JSONB) Rejects(ctx context.Context, organisation, imported uuid.UUID, afterLine int64, limit int) (rejects []Reject, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		rows, err := s.queries.Rejects(ctx, tx, RejectsParams{ImportID: imported, After: afterLine, Page: int32(limit)})
		for _, r := range rows {
			rejects = append(rejects, Reject{r.Line, r.ColumnName, r.Value, r.Reason})
		}
		return err
	})
	return rejects, err
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
