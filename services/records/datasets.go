package records

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// CreateDataset checks the schema and makes an empty dataset.
func (s *Service) CreateDataset(ctx context.Context, in *recordsv1.CreateDatasetRequest) (*recordsv1.Dataset, error) {
	if _, err := schema.Parse(in.GetDataset().GetSchema(), in.GetDataset().GetKey()); err != nil {
		return nil, err
	}
	text, err := in.GetDataset().GetSchema().MarshalJSON()
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	now, caller, out := s.now(), auth.From(ctx), &recordsv1.Dataset{}
	title := strings.TrimSpace(in.GetDataset().GetTitle())
	if title == "" {
		title = in.GetDatasetId()
	}
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "records", service+"CreateDataset", rpc.IdempotencyKey(ctx), in, out, func() error {
			row := store.Dataset{OrganisationID: caller.Organisation, ID: id, ShelfID: id, Slug: in.GetDatasetId(), Title: title, Schema: text, Key: in.GetDataset().GetKey(), CreateTime: now, UpdateTime: now}
			if row.Key == nil {
				row.Key = []string{}
			}
			err := s.queries.InsertDataset(ctx, tx, store.InsertDatasetParams{ID: id, ShelfID: id, Slug: row.Slug, Title: title, Schema: text, Key: row.Key, Now: now})
			if postgres.Violates(err, "dataset_slug") {
				return rpc.AlreadyExists("DATASET_EXISTS", "datasets/%s exists; choose another datasetId", row.Slug)
			}
			if err != nil {
				return err
			}
			made, err := datasetOf(row)
			if err != nil {
				return err
			}
			proto.Merge(out, made)
			return audit.Append(ctx, tx, audit.Entry{Action: service + "CreateDataset", Target: out.GetName()})
		})
	})
	return out, err
}

// GetDataset returns one dataset.
func (s *Service) GetDataset(ctx context.Context, in *recordsv1.GetDatasetRequest) (*recordsv1.Dataset, error) {
	_, row, err := s.shelf(ctx, in.GetName())
	if err != nil {
		return nil, err
	}
	return datasetOf(row)
}

// ListDatasets returns datasets in the order of their names.
func (s *Service) ListDatasets(ctx context.Context, in *recordsv1.ListDatasetsRequest) (*recordsv1.ListDatasetsResponse, error) {
	var after string
	if in.GetPageToken() != "" {
		if err := postgres.DecodePage(in.GetPageToken(), &after); err != nil {
			return nil, err
		}
	}
	size := postgres.PageSize(in.GetPageSize())
	var rows []store.Dataset
	err := s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		rows, err = s.queries.ListDatasets(ctx, tx, store.ListDatasetsParams{After: after, Page: int32(size) + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &recordsv1.ListDatasetsResponse{}
	if len(rows) > size {
		rows = rows[:size]
		out.NextPageToken = postgres.EncodePage(rows[size-1].Slug)
	}
	for _, row := range rows {
		dataset, err := datasetOf(row)
		if err != nil {
			return nil, err
		}
		out.Datasets = append(out.Datasets, dataset)
	}
	return out, nil
}

// UpdateDataset changes the title, and the schema as far as every stored record still satisfies it. Without a mask it
// changes what is given.
func (s *Service) UpdateDataset(ctx context.Context, in *recordsv1.UpdateDatasetRequest) (*recordsv1.Dataset, error) {
	name := in.GetDataset().GetName()
	slug, ok := strings.CutPrefix(name, "datasets/")
	if !ok {
		return nil, rpc.NotFound("dataset", name)
	}
	wantTitle, wantSchema := in.GetDataset().GetTitle() != "", in.GetDataset().GetSchema() != nil
	if paths := in.GetUpdateMask().GetPaths(); len(paths) > 0 {
		wantTitle, wantSchema = false, false
		for _, path := range paths {
			switch path {
			case "title":
				wantTitle = true
			case "schema":
				wantSchema = true
			default:
				return nil, rpc.Invalid("updateMask", "%q can't be changed; name title or schema", path)
			}
		}
	}
	title := strings.TrimSpace(in.GetDataset().GetTitle())
	if wantTitle && (title == "" || len(title) > 200) {
		return nil, rpc.Invalid("dataset.title", "needs 1 to 200 bytes")
	}
	out := &recordsv1.Dataset{}
	err := s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "records", service+"UpdateDataset", rpc.IdempotencyKey(ctx), in, out, func() error {
			row, err := s.queries.LockDataset(ctx, tx, slug)
			if errors.Is(err, pgx.ErrNoRows) {
				return rpc.NotFound("dataset", name)
			}
			if err != nil {
				return err
			}
			if wantTitle {
				row.Title = title
			}
			if wantSchema {
				// Its rows are being read by the schema as it is.
				if err := s.noImport(ctx, tx, row); err != nil {
					return err
				}
				if err := s.extend(&row, in.GetDataset()); err != nil {
					return err
				}
			}
			row.UpdateTime = s.now()
			if err := s.queries.UpdateDataset(ctx, tx, store.UpdateDatasetParams{ID: row.ID, Title: row.Title, Schema: row.Schema, Now: row.UpdateTime}); err != nil {
				return err
			}
			changed, err := datasetOf(row)
			if err != nil {
				return err
			}
			proto.Merge(out, changed)
			return audit.Append(ctx, tx, audit.Entry{Action: service + "UpdateDataset", Target: name})
		})
	})
	return out, err
}

func (s *Service) extend(row *store.Dataset, in *recordsv1.Dataset) error {
	old, err := shelfOf(*row)
	if err != nil {
		return err
	}
	wanted, err := schema.Parse(in.GetSchema(), row.Key)
	if err != nil {
		return err
	}
	if err := wanted.Extends(old.Schema); err != nil {
		return err
	}
	row.Schema, err = in.GetSchema().MarshalJSON()
	return err
}

// DeleteDataset hides the dataset at once; housekeeping removes its records. Refused while an import runs.
func (s *Service) DeleteDataset(ctx context.Context, in *recordsv1.DeleteDatasetRequest) (*recordsv1.DeleteDatasetResponse, error) {
	slug, ok := strings.CutPrefix(in.GetName(), "datasets/")
	if !ok {
		return nil, rpc.NotFound("dataset", in.GetName())
	}
	out := &recordsv1.DeleteDatasetResponse{}
	err := s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "records", service+"DeleteDataset", rpc.IdempotencyKey(ctx), in, out, func() error {
			row, err := s.queries.LockDataset(ctx, tx, slug)
			if errors.Is(err, pgx.ErrNoRows) {
				return rpc.NotFound("dataset", in.GetName())
			}
			if err != nil {
				return err
			}
			if err := s.noImport(ctx, tx, row); err != nil {
				return err
			}
			if err := s.queries.MarkDatasetDeleting(ctx, tx, row.ID); err != nil {
				return err
			}
			return audit.Append(ctx, tx, audit.Entry{Action: service + "DeleteDataset", Target: in.GetName()})
		})
	})
	return out, err
}

// noImport refuses while an import is open.
func (s *Service) noImport(ctx context.Context, tx pgx.Tx, row store.Dataset) error {
	open, err := s.queries.OpenImports(ctx, tx, store.OpenImportsParams{DatasetID: row.ID})
	if err == nil && open.Imports > 0 {
		err = rpc.Precondition("IMPORT_RUNNING", "an import into datasets/%s is running; wait for it or cancel its run", row.Slug)
	}
	return err
}
