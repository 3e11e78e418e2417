package records

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// erasePage records are read at once, and changed in one transaction where they are in PostgreSQL.
const erasePage = 200

// EraseRecords counts the records with a person's address in a column of format email, or puts a pseudonym in its place:
// the same one everywhere, so that what belonged together still does. A record whose key held the address moves to the key
// with the pseudonym. Rejected rows of imports that hold the address are counted with them, and blanked. What is done is not
// found again, so a repeated call does the rest.
func (s *Service) EraseRecords(ctx context.Context, in *recordsv1.EraseRecordsRequest) (*recordsv1.EraseRecordsResponse, error) {
	caller, err := importer(ctx)
	if err != nil {
		return nil, err
	}
	id := caller.Run.String()
	e := eraser{s: s, email: strings.TrimSpace(in.GetEmail()), pseudonym: "erased-" + id[len(id)-12:] + "@erased.invalid", dry: in.GetDryRun()}
	out := &recordsv1.EraseRecordsResponse{}
	for after := ""; ; {
		var datasets []store.Dataset
		err := s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) (err error) {
			datasets, err = s.queries.ListDatasets(ctx, tx, store.ListDatasetsParams{After: after, Page: 100})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, row := range datasets {
			after = row.Slug
			n, err := e.dataset(ctx, row)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				out.Records += n
				out.Datasets = append(out.Datasets, "datasets/"+row.Slug)
			}
		}
		if len(datasets) < 100 {
			break
		}
	}
	rejects, err := s.documents.EraseRejects(ctx, caller.Organisation, e.email, e.dry)
	if err != nil {
		return nil, err
	}
	out.Records += rejects
	if rejects == 0 || e.dry {
		return out, nil
	}
	return out, s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		return audit.Append(ctx, tx, audit.Entry{Action: service + "EraseRecords", Target: "imports/-", After: map[string]any{"rejects": rejects}})
	})
}

// eraser looks for one address.
type eraser struct {
	s                *Service
	email, pseudonym string
	dry              bool
}

func (e eraser) dataset(ctx context.Context, row store.Dataset) (n int64, err error) {
	shelf, err := shelfOf(row)
	if err != nil {
		return 0, err
	}
	var anywhere filter.Or
	for _, column := range shelf.Schema.Columns {
		if column.Kind == schema.Email { // `:` knows no case; longer addresses that hold this one are sorted out below
			anywhere = append(anywhere, filter.Compare{Field: column.Name, Op: ":", Value: filter.Value{Text: e.email, Quoted: true}})
		}
	}
	if anywhere == nil {
		return 0, nil
	}
	for after := (*store.Position)(nil); ; {
		page, err := e.s.documents.List(ctx, shelf, store.Query{Filter: anywhere, After: after, Limit: erasePage})
		if err != nil || len(page) == 0 {
			return n, err
		}
		after = &store.Position{ID: page[len(page)-1].ID}
		done, err := e.page(ctx, shelf, row.Slug, page)
		if err != nil {
			return n, err
		}
		n += done
	}
}

// page changes the documents that really have the address, or only counts them.
func (e eraser) page(ctx context.Context, shelf store.Shelf, slug string, page []store.Document) (n int64, err error) {
	err = e.s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		n = 0
		for _, d := range page {
			values, keyed, err := e.values(shelf.Schema, d)
			if err != nil {
				return err
			}
			if values == nil {
				continue
			}
			n++
			if e.dry {
				continue
			}
			if err := e.change(ctx, tx, shelf, d, values, keyed); err != nil {
				return err
			}
		}
		if n == 0 || e.dry {
			return nil
		}
		return audit.Append(ctx, tx, audit.Entry{Action: service + "EraseRecords", Target: "datasets/" + slug, After: map[string]any{"records": n}})
	})
	return n, err
}

// values are the document's with the pseudonym; nil if it does not have the address. Keyed: the key changes.
func (e eraser) values(s *schema.Schema, d store.Document) (values [][]byte, keyed bool, err error) {
	data := &structpb.Struct{}
	if err := data.UnmarshalJSON(d.Data); err != nil {
		return nil, false, err
	}
	found := false
	for i, column := range s.Columns {
		if column.Kind == schema.Email && strings.EqualFold(data.GetFields()[column.Name].GetStringValue(), e.email) {
			data.Fields[column.Name] = structpb.NewStringValue(e.pseudonym)
			found, keyed = true, keyed || slices.Contains(s.KeyColumns, i)
		}
	}
	if !found {
		return nil, false, nil
	}
	values, err = s.Values(data, "record.data")
	return values, keyed, err
}

func (e eraser) change(ctx context.Context, tx pgx.Tx, shelf store.Shelf, d store.Document, values [][]byte, keyed bool) error {
	old := d.ID
	d.Data, d.UpdateTime = shelf.Schema.Document(values), e.s.now()
	if !keyed {
		err := e.s.documents.Replace(ctx, tx, shelf, d)
		if errors.Is(err, store.ErrChanged) {
			return rpc.Unavailable("a record is being changed by somebody else; try again")
		}
		return err
	}
	d.ID = shelf.Schema.KeyID(values)
	if err := e.s.documents.Insert(ctx, tx, shelf, d); err != nil && !errors.Is(err, store.ErrExists) {
		return err // a record that is there is one that an earlier call made
	}
	if err := e.s.documents.Delete(ctx, tx, shelf, old); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}
