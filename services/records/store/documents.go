package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/services/records/schema"
)

// Documents keeps the records of all datasets. Both implementations pass one conformance suite. A Shelf says which
// organisation's dataset is meant; nothing of another one is ever seen or touched.
//
// Insert, Replace and Delete take part in tx where the documents are in PostgreSQL. Elsewhere they happen before tx
// commits, so a change may stand without its audit entry if the process dies in between; repeating the call mends it.
type Documents interface {
	// Get returns ErrNotFound for an unknown id.
	Get(ctx context.Context, shelf Shelf, id uuid.UUID) (Document, error)
	// List returns documents in the query's order, ties by id.
	List(ctx context.Context, shelf Shelf, q Query) ([]Document, error)
	Count(ctx context.Context, shelf Shelf, f filter.Expr) (int64, error)
	// Empty reports whether the shelf has no document.
	Empty(ctx context.Context, shelf Shelf) (bool, error)

	// Insert returns ErrExists if the id is taken.
	Insert(ctx context.Context, tx pgx.Tx, shelf Shelf, d Document) error
	// Replace changes the document's data and update time, and nothing if another change came since d.Revision was read:
	// ErrChanged.
	Replace(ctx context.Context, tx pgx.Tx, shelf Shelf, d Document) error
	// Delete returns ErrNotFound for an unknown id.
	Delete(ctx context.Context, tx pgx.Tx, shelf Shelf, id uuid.UUID) error
	// DeleteSome deletes at most limit documents of a dataset that is being deleted, and tells how many.
	DeleteSome(ctx context.Context, shelf Shelf, limit int) (int64, error)

	// WriteChunk writes a chunk's documents, its rejected rows and its ledger entry, together or not at all. A chunk that
	// is in the ledger is not written again: its counts are returned.
	WriteChunk(ctx context.Context, shelf Shelf, c Chunk) (Counts, error)
	// ChunkCounts is the ledger's entry; done is false if there is none.
	ChunkCounts(ctx context.Context, organisation, imported uuid.UUID, chunk int32) (counts Counts, done bool, err error)
	// ImportCounts sums the ledger of an import; chunks is the number of its entries.
	ImportCounts(ctx context.Context, organisation, imported uuid.UUID) (counts Counts, chunks int64, err error)
	// Rejects returns rejected rows behind a line, in the order of lines.
	Rejects(ctx context.Context, organisation, imported uuid.UUID, afterLine int64, limit int) ([]Reject, error)
	// ForgetImport deletes an import's rejected rows and ledger.
	ForgetImport(ctx context.Context, organisation, imported uuid.UUID) error
}

// Errors of a store.
var (
	ErrNotFound = errors.New("records: no such document")
	ErrExists   = errors.New("records: the document exists")
	ErrChanged  = errors.New("records: the document was changed meanwhile")
)

// Shelf is one dataset of one organisation.
type Shelf struct {
	Organisation, Dataset uuid.UUID
	// Schema is needed where documents or filters are read; deletion does without.
	Schema *schema.Schema
}

// Document is a record as it is kept.
type Document struct {
	ID       uuid.UUID
	Revision int32
	// Data is a JSON object without null members. Written it is canonical (see package schema); read it may have white space.
	Data                   []byte
	CreateTime, UpdateTime time.Time
}

// Query selects a page of documents.
type Query struct {
	Filter filter.Expr
	// OrderBy is a column; "" orders by id. Null comes first, descending last.
	OrderBy    string
	Descending bool
	// After is the place behind which the page begins; nil is the beginning.
	After *Position
	Limit int
}

// Position of a document in a query's order.
type Position struct {
	// Value of the OrderBy column as JSON has it: nil, string, float64 or bool.
	Value any
	ID    uuid.UUID
}

// Chunk is a part of an import, ready to be written. No two of its rows have the same id.
type Chunk struct {
	Import uuid.UUID
	Number int32
	// InsertOnly makes a row whose record exists a reject; otherwise it updates the record.
	InsertOnly bool
	// Fresh says that probably none of the records exists.
	Fresh bool
	// Rows point into Data, the documents one behind the other. The store may reorder Rows.
	Rows []Row
	Data []byte
	// Rejects are rows that are no documents.
	Rejects []Reject
}

// Row of a chunk.
type Row struct {
	ID       uuid.UUID
	Line     int64
	From, To int32
}

// Reject is a row that was not written.
type Reject struct {
	Line int64
	// Column is "" if the fault is not in one cell.
	Column string
	Value  string
	Reason string
}

// ReasonExists is the reject of a row whose record exists, in an import that only inserts.
const ReasonExists = "a record with this key exists"

// Counts say what became of rows: Read = Inserted + Updated + Unchanged + Rejected.
type Counts struct{ Read, Inserted, Updated, Unchanged, Rejected int64 }

func (c Chunk) data(r Row) []byte { return c.Data[r.From:r.To] }

// exists makes the rejects of rows whose record exists.
func exists(rows []Row) []Reject {
	rejects := make([]Reject, 0, len(rows))
	for _, r := range rows {
		rejects = append(rejects, Reject{Line: r.Line, Reason: ReasonExists})
	}
	return rejects
}
