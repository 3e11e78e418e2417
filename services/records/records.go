package records

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
)

const service = "services.records.v1.RecordsService/"

var _ recordsv1connect.RecordsServiceHandler = (*Service)(nil)

// Service implements RecordsService.
type Service struct {
	db        *postgres.DB
	queries   *store.Queries
	documents store.Documents
	scratch   *blob.Bucket
	client    *http.Client
	config    Config
	logger    *slog.Logger
	now       func() time.Time
	sources   *sources

	mu         sync.Mutex
	remembered map[uuid.UUID][]schema.Lookup // of imports under way
}

// New wires the room. Documents is store.NewJSONB or store.NewMongo; scratch holds imports under way; the caller opens and
// closes both. Client fetches sources and sends rejects by signed links.
func New(db *postgres.DB, documents store.Documents, scratch *blob.Bucket, client *http.Client, cfg Config, logger *slog.Logger, now func() time.Time) *Service {
	return &Service{
		db: db, queries: store.New(), documents: documents, scratch: scratch, client: client, config: cfg, logger: logger, now: now,
		sources: newSources(cfg), remembered: map[uuid.UUID][]schema.Lookup{},
	}
}

// ListRecords returns a page.
func (s *Service) ListRecords(ctx context.Context, in *recordsv1.ListRecordsRequest) (*recordsv1.ListRecordsResponse, error) {
	shelf, _, err := s.shelf(ctx, in.GetParent())
	if err != nil {
		return nil, err
	}
	size := postgres.PageSize(in.GetPageSize())
	q := store.Query{Limit: size + 1}
	if q.Filter, err = filter.Parse(in.GetFilter()); err != nil {
		return nil, err
	}
	columns := shelf.Schema.Filter("", "", func(name string) string { return name })
	if q.OrderBy, q.Descending, err = filter.Order(in.GetOrderBy(), columns); err != nil {
		return nil, err
	}
	if token := in.GetPageToken(); token != "" {
		var of string
		q.After = &store.Position{}
		if err := postgres.DecodePage(token, &of, &q.After.Value, &q.After.ID); err != nil {
			return nil, err
		}
		if of != listOf(in) || !fits(shelf.Schema, q) {
			return nil, rpc.Invalid("pageToken", "belongs to a list with another filter or order; start again without one")
		}
	}
	documents, err := s.documents.List(ctx, shelf, q)
	if err != nil {
		return nil, err
	}
	out := &recordsv1.ListRecordsResponse{}
	more := len(documents) > size
	if more {
		documents = documents[:size]
	}
	for _, d := range documents {
		record, err := recordOf(in.GetParent(), shelf.Schema, d)
		if err != nil {
			return nil, err
		}
		out.Records = append(out.Records, record)
	}
	if more {
		last := documents[size-1]
		var value any
		if q.OrderBy != "" {
			value = out.GetRecords()[size-1].GetData().GetFields()[q.OrderBy].AsInterface()
		}
		out.NextPageToken = postgres.EncodePage(listOf(in), value, last.ID)
	}
	return out, nil
}

// listOf names a list, so that a token of another one is recognised.
func listOf(in *recordsv1.ListRecordsRequest) string {
	return schema.KeyID([]byte(in.GetParent()), []byte(in.GetFilter()), []byte(in.GetOrderBy())).String()[:8]
}

// fits reports whether a token's value can stand in the column that the list is sorted by.
func fits(s *schema.Schema, q store.Query) bool {
	if q.OrderBy == "" || q.After.Value == nil {
		return q.After.Value == nil
	}
	switch s.Columns[s.Index(q.OrderBy)].Kind {
	case schema.Integer, schema.Number:
		_, ok := q.After.Value.(float64)
		return ok
	case schema.Boolean:
		_, ok := q.After.Value.(bool)
		return ok
	case schema.DateTime:
		text, ok := q.After.Value.(string)
		_, err := time.Parse(time.RFC3339Nano, text)
		return ok && err == nil
	}
	_, ok := q.After.Value.(string)
	return ok
}

// CountRecords counts what a filter matches.
func (s *Service) CountRecords(ctx context.Context, in *recordsv1.CountRecordsRequest) (*recordsv1.CountRecordsResponse, error) {
	shelf, _, err := s.shelf(ctx, in.GetParent())
	if err != nil {
		return nil, err
	}
	f, err := filter.Parse(in.GetFilter())
	if err != nil {
		return nil, err
	}
	n, err := s.documents.Count(ctx, shelf, f)
	return &recordsv1.CountRecordsResponse{Count: n}, err
}

// GetRecord returns one record.
func (s *Service) GetRecord(ctx context.Context, in *recordsv1.GetRecordRequest) (*recordsv1.Record, error) {
	parent, id, err := splitRecord(in.GetName())
	if err != nil {
		return nil, err
	}
	shelf, _, err := s.shelf(ctx, parent)
	if err != nil {
		return nil, err
	}
	d, err := s.documents.Get(ctx, shelf, id)
	if err != nil {
		return nil, recordError(err, in.GetName())
	}
	return recordOf(parent, shelf.Schema, d)
}

// CreateRecord adds a record; one whose key exists is already_exists.
func (s *Service) CreateRecord(ctx context.Context, in *recordsv1.CreateRecordRequest) (*recordsv1.Record, error) {
	shelf, dataset, err := s.shelf(ctx, in.GetParent())
	if err != nil {
		return nil, err
	}
	values, err := shelf.Schema.Values(in.GetRecord().GetData(), "record.data")
	if err == nil {
		err = shelf.Schema.Complete(values, "record.data")
	}
	if err != nil {
		return nil, err
	}
	now := s.now()
	d := store.Document{Data: shelf.Schema.Document(values), Revision: 1, CreateTime: now, UpdateTime: now}
	if len(shelf.Schema.KeyColumns) > 0 {
		d.ID = shelf.Schema.KeyID(values)
	} else if d.ID, err = uuid.NewV7(); err != nil {
		return nil, err
	}
	record, err := recordOf(in.GetParent(), shelf.Schema, d)
	if err != nil {
		return nil, err
	}
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "records", service+"CreateRecord", rpc.IdempotencyKey(ctx), in, record, func() error {
			if err := s.hold(ctx, tx, dataset); err != nil {
				return err
			}
			if err := s.documents.Insert(ctx, tx, shelf, d); errors.Is(err, store.ErrExists) {
				return rpc.AlreadyExists("RECORD_EXISTS", "%s exists", record.GetName())
			} else if err != nil {
				return err
			}
			return audit.Append(ctx, tx, audit.Entry{Action: service + "CreateRecord", Target: record.GetName()})
		})
	})
	return record, err
}

// UpdateRecord changes the columns that the mask names (`data.dep_delay`, or `data` for all), without a mask those that
// are given. null clears a column. The key stays.
func (s *Service) UpdateRecord(ctx context.Context, in *recordsv1.UpdateRecordRequest) (*recordsv1.Record, error) {
	name := in.GetRecord().GetName()
	parent, id, err := splitRecord(name)
	if err != nil {
		return nil, err
	}
	shelf, dataset, err := s.shelf(ctx, parent)
	if err != nil {
		return nil, err
	}
	given, err := shelf.Schema.Values(in.GetRecord().GetData(), "record.data")
	if err != nil {
		return nil, err
	}
	touched, err := touchedColumns(shelf.Schema, in)
	if err != nil {
		return nil, err
	}
	before, err := s.documents.Get(ctx, shelf, id)
	if err != nil {
		return nil, recordError(err, name)
	}
	old, err := recordOf(parent, shelf.Schema, before)
	if err != nil {
		return nil, err
	}
	values, err := shelf.Schema.Values(old.GetData(), "record.data")
	if err != nil {
		return nil, err
	}
	for _, i := range touched {
		if slices.Contains(shelf.Schema.KeyColumns, i) && string(given[i]) != string(values[i]) {
			return nil, rpc.Invalid("record.data."+shelf.Schema.Columns[i].Name, "is part of the key; delete the record and create another one")
		}
		values[i] = given[i]
	}
	if err := shelf.Schema.Complete(values, "record.data"); err != nil {
		return nil, err
	}
	d := before
	d.Data, d.UpdateTime = shelf.Schema.Document(values), s.now()
	record, err := recordOf(parent, shelf.Schema, d)
	if err != nil {
		return nil, err
	}
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "records", service+"UpdateRecord", rpc.IdempotencyKey(ctx), in, record, func() error {
			if err := s.hold(ctx, tx, dataset); err != nil {
				return err
			}
			if err := s.documents.Replace(ctx, tx, shelf, d); err != nil {
				return recordError(err, name)
			}
			return audit.Append(ctx, tx, audit.Entry{Action: service + "UpdateRecord", Target: name})
		})
	})
	return record, err
}

func touchedColumns(s *schema.Schema, in *recordsv1.UpdateRecordRequest) ([]int, error) {
	var touched []int
	paths := in.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		for column := range in.GetRecord().GetData().GetFields() {
			touched = append(touched, s.Index(column))
		}
	}
	for _, path := range paths {
		column, ok := strings.CutPrefix(path, "data.")
		switch {
		case path == "data":
			for i := range s.Columns {
				touched = append(touched, i)
			}
		case !ok || s.Index(column) < 0:
			return nil, rpc.Invalid("updateMask", "%q can't be changed; name data or data.<column>", path)
		default:
			touched = append(touched, s.Index(column))
		}
	}
	return touched, nil
}

// DeleteRecord removes one record.
func (s *Service) DeleteRecord(ctx context.Context, in *recordsv1.DeleteRecordRequest) (*recordsv1.DeleteRecordResponse, error) {
	parent, id, err := splitRecord(in.GetName())
	if err != nil {
		return nil, err
	}
	shelf, dataset, err := s.shelf(ctx, parent)
	if err != nil {
		return nil, err
	}
	out := &recordsv1.DeleteRecordResponse{}
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "records", service+"DeleteRecord", rpc.IdempotencyKey(ctx), in, out, func() error {
			if err := s.hold(ctx, tx, dataset); err != nil {
				return err
			}
			if err := s.documents.Delete(ctx, tx, shelf, id); err != nil {
				return recordError(err, in.GetName())
			}
			return audit.Append(ctx, tx, audit.Entry{Action: service + "DeleteRecord", Target: in.GetName()})
		})
	})
	return out, err
}

// shelf finds a dataset of the caller's organisation by its name.
func (s *Service) shelf(ctx context.Context, name string) (store.Shelf, store.Dataset, error) {
	slug, ok := strings.CutPrefix(name, "datasets/")
	if !ok {
		return store.Shelf{}, store.Dataset{}, rpc.NotFound("dataset", name)
	}
	var row store.Dataset
	err := s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		row, err = s.queries.Dataset(ctx, tx, slug)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = rpc.NotFound("dataset", name)
	}
	if err != nil {
		return store.Shelf{}, store.Dataset{}, err
	}
	shelf, err := shelfOf(row)
	return shelf, row, err
}

// hold keeps an import from putting other records in the place of the dataset's while one of them is changed.
func (s *Service) hold(ctx context.Context, tx pgx.Tx, dataset store.Dataset) error {
	if err := s.queries.HoldShelf(ctx, tx, dataset.ID.String()); err != nil {
		return err
	}
	shelf, err := s.queries.ShelfOf(ctx, tx, dataset.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return rpc.NotFound("dataset", "datasets/"+dataset.Slug)
	}
	if err == nil && shelf != dataset.ShelfID {
		err = rpc.Unavailable("all records of datasets/%s were replaced this moment; try again", dataset.Slug)
	}
	return err
}

// splitRecord takes "datasets/flights/records/ID" apart.
func splitRecord(name string) (parent string, id uuid.UUID, err error) {
	parent, text, ok := strings.Cut(name, "/records/")
	id, err = uuid.Parse(text)
	if !ok || err != nil || id.String() != text {
		return "", uuid.Nil, rpc.NotFound("record", name)
	}
	return parent, id, nil
}

func recordError(err error, name string) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return rpc.NotFound("record", name)
	case errors.Is(err, store.ErrChanged):
		return rpc.Precondition("RECORD_CHANGED", "%s was changed or deleted meanwhile; read it again", name)
	}
	return err
}
