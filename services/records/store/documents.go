package store

import (
	"context"
	"encoding/json"
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
// What is given a tx takes part in it where the documents are in PostgreSQL. Elsewhere it happens before tx
// commits, so a change may stand without its audit entry if the process dies in between; repeating the call mends it.
type Documents interface {
	// Get returns ErrNotFound for an unknown id.
	Get(ctx context.Context, shelf Shelf, id uuid.UUID) (Document, error)
	// List returns documents in the query's order, ties by id.
	List(ctx context.Context, shelf Shelf, q Query) ([]Document, error)
	Count(ctx context.Context, shelf Shelf, f filter.Expr) (int64, error)
	// Empty reports whether the shelf has no document.
	Empty(ctx context.Context, shelf Shelf) (bool, error)

	// Walk gives f the data of the documents of a range, by id. f must not keep it.
	Walk(ctx context.Context, shelf Shelf, r Range, f func(data []byte) error) error
	// Behind returns the id of the n-th document after an id; found is false if there are fewer.
	Behind(ctx context.Context, shelf Shelf, after uuid.UUID, n int) (id uuid.UUID, found bool, err error)

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
	// is in the ledger is not written again: its counts are returned; one that was barred or undone is ErrBarred where tx
	// does not reach. The caller holds the import in its state by tx.
	WriteChunk(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) (Counts, error)
	// UndoChunk takes back what WriteChunk wrote, whether or not it came to the ledger: documents that somebody else has
	// changed since stay as they are. Rejected rows stay to be read.
	UndoChunk(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) error
	// BarChunk has a chunk that is not in the ledger never come there, once the import is being undone: also not by a commit
	// that is under way while its writer is dead. Written is false if the chunk has surely written nothing, and never will.
	BarChunk(ctx context.Context, organisation, imported uuid.UUID, chunk int32) (written bool, err error)
	// ForgetUndo deletes at most limit of the old documents that are kept for UndoChunk, and tells how many.
	ForgetUndo(ctx context.Context, organisation, imported uuid.UUID, limit int) (int64, error)
	// ChunkCounts is the ledger's entry; done is false if there is none.
	ChunkCounts(ctx context.Context, organisation, imported uuid.UUID, chunk int32) (counts Counts, done bool, err error)
	// ImportCounts sums the ledger of an import; chunks is the number of its entries.
	ImportCounts(ctx context.Context, organisation, imported uuid.UUID) (counts Counts, chunks int64, err error)
	// Rejects returns rejected rows behind a row of the file, in its order; open leaves out those that were replayed.
	Rejects(ctx context.Context, organisation, imported uuid.UUID, after int64, limit int, open bool) ([]Reject, error)
	// Reject returns one; ErrNotFound if there is none.
	Reject(ctx context.Context, organisation, imported uuid.UUID, row int64) (Reject, error)
	// CorrectReject changes a rejected row's cells; ErrChanged if it was replayed meanwhile.
	CorrectReject(ctx context.Context, tx pgx.Tx, organisation, imported uuid.UUID, r Reject) error
	// EraseRejects blanks the rejected rows of all imports in which a cell is the address, or only counts them. What is
	// blanked is not found again.
	EraseRejects(ctx context.Context, organisation uuid.UUID, email string, dry bool) (int64, error)
	// ForgetImport deletes an import's rejected rows, ledger, and what was kept for undoing it.
	ForgetImport(ctx context.Context, organisation, imported uuid.UUID) error
}

// Errors of a store.
var (
	ErrNotFound = errors.New("records: no such document")
	ErrExists   = errors.New("records: the document exists")
	ErrChanged  = errors.New("records: the document was changed meanwhile")
	ErrBarred   = errors.New("records: the chunk was undone")
)

// Shelf is one dataset of one organisation.
type Shelf struct {
	Organisation uuid.UUID
	// Dataset is under which id the documents lie: the dataset's shelf_id, which an import that replaces all changes.
	Dataset uuid.UUID
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

// Range of documents by id: behind After, which uuid.Nil is before all, up to and with Until, which uuid.Max is behind all.
type Range struct {
	After, Until uuid.UUID
	Filter       filter.Expr
}

// Position of a document in a query's order.
type Position struct {
	// Value of the OrderBy column as JSON has it: nil, string, float64 or bool.
	Value any
	ID    uuid.UUID
}

// Mode is what a row means.
type Mode int

// The modes. Insert makes a row whose record exists a reject, Upsert updates the record, Delete deletes it.
const (
	Upsert Mode = iota
	Insert
	Delete
)

// Chunk is a part of an import, ready to be written. No two of its rows have the same id.
type Chunk struct {
	Import uuid.UUID
	Number int32
	Mode   Mode
	// Fresh says that probably none of the records exists.
	Fresh bool
	// Rows point into Data, the documents one behind the other. The store may reorder Rows. Data is not read by Delete.
	Rows []Row
	Data []byte
	// Rejects are rows that are no documents.
	Rejects []Reject
	// Cells makes a reject's cells of a row that is rejected for its record's sake.
	Cells func(Row) []byte
	// ReplayOf is the import whose rejects the rows were; those that are written are marked there. Zero: none.
	ReplayOf uuid.UUID
}

// Row of a chunk.
type Row struct {
	ID uuid.UUID
	// Number in the file, from 1 behind the header, and its first line.
	Number, Line int64
	// From and To in Data.
	From, To int32
	// Source is where the row begins in the chunk's text, for Cells.
	Source int32
}

// Reject is a row that was not written.
type Reject struct {
	Number, Line int64
	Faults       []Fault
	// Cells is a JSON object: column of the file -> text.
	Cells json.RawMessage
	// Corrected says that somebody changed the cells, Replayed that a later import has taken the row in.
	Corrected, Replayed bool
}

// Fault of a rejected row.
type Fault struct {
	// Column is "" if the fault is not in one cell.
	Column string `json:"column,omitempty" bson:"column"`
	Value  string `json:"value,omitempty"  bson:"value"`
	Reason string `json:"reason"           bson:"reason"`
}

// ReasonExists is the reject of a row whose record exists, in an import that only inserts.
const ReasonExists = "a record with this key exists"

// Counts say what became of rows: Read = Inserted + Updated + Unchanged + Rejected + Deleted.
type Counts struct{ Read, Inserted, Updated, Unchanged, Rejected, Deleted int64 }

func (c Chunk) data(r Row) []byte { return c.Data[r.From:r.To] }

// exists makes the rejects of rows whose record exists.
func (c Chunk) exists(rows []Row) []Reject {
	rejects := make([]Reject, 0, len(rows))
	for _, r := range rows {
		reject := Reject{Number: r.Number, Line: r.Line, Faults: []Fault{{Reason: ReasonExists}}}
		if c.Cells != nil {
			reject.Cells = c.Cells(r)
		}
		rejects = append(rejects, reject)
	}
	return rejects
}

// numbers of the rows that were written.
func (c Chunk) numbers(taken []Row) []int64 {
	without := make(map[int64]bool, len(taken))
	for _, r := range taken {
		without[r.Number] = true
	}
	written := make([]int64, 0, len(c.Rows)-len(taken))
	for _, r := range c.Rows {
		if !without[r.Number] {
			written = append(written, r.Number)
		}
	}
	return written
}
