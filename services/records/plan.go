package records

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// The states of an import. One that is planned or being undone is open.
const (
	statePlanned  = "planned"
	stateFinished = "finished"
	stateAborted  = "aborted" // what was written was left
	stateUndoing  = "undoing"
	stateUndone   = "undone"
)

// PlanImport reads the source once: checks that it is whole and readable, brings its text into the scratch blob, and notes
// where chunks begin and which keys stand twice. The plan appears with all its chunks or not at all; a repeated call
// answers from it.
func (s *Service) PlanImport(ctx context.Context, in *recordsv1.PlanImportRequest) (*recordsv1.PlanImportResponse, error) {
	caller, err := importer(ctx)
	if err != nil {
		return nil, err
	}
	if planned, err := s.imported(ctx, caller); err == nil {
		return planOf(planned)
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	j, err := s.job(ctx, caller, in)
	if err != nil {
		return nil, err
	}
	var p *plan
	if j.rejectsOf != nil {
		p, err = s.scanRejects(ctx, caller, j)
	} else {
		p, err = s.scan(ctx, caller, j)
	}
	if err == nil {
		err = s.keep(ctx, caller, j, p)
	}
	var planned store.Import
	if err == nil {
		planned, err = s.imported(ctx, caller)
	}
	if err != nil || planned.Scratch != j.scratch {
		if left := s.drop(context.WithoutCancel(ctx), j.scratch); left != nil {
			s.logger.WarnContext(ctx, "the working copy of an import that was not planned is left to housekeeping", "error", left)
		}
	}
	if err != nil {
		return nil, err
	}
	return planOf(planned)
}

// job is an import that is being planned.
type job struct {
	in      *recordsv1.PlanImportRequest
	dataset store.Dataset
	shelf   store.Shelf // where its rows go
	mode    recordsv1.ImportMode
	scratch string // where the text lies
	// rejectsOf is the import whose rejects are read in place of a source.
	rejectsOf *store.Import
}

func (j *job) keysOnly() bool { return j.mode == recordsv1.ImportMode_DELETE }

// job checks the request.
func (s *Service) job(ctx context.Context, caller auth.Caller, in *recordsv1.PlanImportRequest) (*job, error) {
	j := &job{in: in, mode: in.GetMode(), scratch: scratchPrefix(caller.Organisation, caller.Run) + "." + uuid.NewString()}
	if j.mode == recordsv1.ImportMode_IMPORT_MODE_UNSPECIFIED {
		j.mode = recordsv1.ImportMode_UPSERT
	}
	if err := checkFormat(in.GetFormat()); err != nil {
		return nil, err
	}
	name := in.GetDataset()
	if in.GetRejectsOf() != "" {
		var err error
		if j.rejectsOf, name, err = s.replayable(ctx, caller, in.GetRejectsOf()); err != nil {
			return nil, err
		}
		if in.GetDataset() != "" && in.GetDataset() != name {
			return nil, rpc.Invalid("dataset", "the rejected rows of %s belong to %s; leave the dataset out", in.GetRejectsOf(), name)
		}
		j.mode = recordsv1.ImportMode(recordsv1.ImportMode_value[j.rejectsOf.Mode])
		if j.mode == recordsv1.ImportMode_REPLACE {
			j.mode = recordsv1.ImportMode_UPSERT // the rest of the file is there
		}
	}
	var err error
	if j.shelf, j.dataset, err = s.shelf(ctx, name); err != nil {
		return nil, err
	}
	if j.keysOnly() && len(j.shelf.Schema.KeyColumns) == 0 {
		return nil, rpc.Invalid("mode", "%s has no key, so no record of it can be named; DELETE needs one", name)
	}
	if j.mode == recordsv1.ImportMode_REPLACE {
		if j.shelf.Dataset, err = uuid.NewV7(); err != nil {
			return nil, err
		}
	}
	return j, s.free(ctx, caller, j)
}

// free checks that no other import stands in the way: a REPLACE wants the dataset for itself.
func (s *Service) free(ctx context.Context, caller auth.Caller, j *job) error {
	return s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error { return s.freeIn(ctx, tx, caller, j) })
}

func (s *Service) freeIn(ctx context.Context, tx pgx.Tx, caller auth.Caller, j *job) error {
	open, err := s.queries.OpenImports(ctx, tx, store.OpenImportsParams{DatasetID: j.dataset.ID, Besides: caller.Run})
	if err != nil {
		return err
	}
	if open.Replacing > 0 || open.Imports > 0 && j.mode == recordsv1.ImportMode_REPLACE {
		return rpc.Precondition("IMPORT_RUNNING", "another import into datasets/%s is running, and REPLACE wants the dataset for itself; start again when it has ended", j.dataset.Slug)
	}
	return nil
}

// keep writes the plan.
func (s *Service) keep(ctx context.Context, caller auth.Caller, j *job, p *plan) error {
	fresh := j.mode == recordsv1.ImportMode_REPLACE
	if !fresh {
		var err error
		if fresh, err = s.documents.Empty(ctx, j.shelf); err != nil {
			return err
		}
	}
	format, err := protojson.Marshal(p.format)
	if err != nil {
		return err
	}
	params := store.InsertImportParams{
		ID: caller.Run, DatasetID: j.dataset.ID, ShelfID: j.shelf.Dataset, Mode: j.mode.String(), Format: format, Header: p.header,
		Fresh: fresh, Undo: !fresh, MaxRejects: j.in.GetMaxRejects(), SourceName: p.source.name, SourceSize: p.source.size, SourceTag: p.source.tag, Scratch: j.scratch,
		Chunks: int32(len(p.chunks)), Rows: p.rows, Now: s.now(),
	}
	if j.rejectsOf != nil {
		params.RejectsOf = &j.rejectsOf.ID
	}
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		// The lock keeps others from deleting, changing or replacing the dataset until the import is visible to them.
		locked, err := s.queries.LockDataset(ctx, tx, j.dataset.Slug)
		if err != nil {
			return err
		}
		if locked.ID != j.dataset.ID || locked.ShelfID != j.dataset.ShelfID {
			return rpc.Precondition("DATASET_REPLACED", "datasets/%s was replaced while the file was read; start again", j.dataset.Slug)
		}
		if !bytes.Equal(locked.Schema, j.dataset.Schema) {
			return rpc.Precondition("DATASET_CHANGED", "the schema of datasets/%s was changed while the file was read; start again", j.dataset.Slug)
		}
		if err := s.freeIn(ctx, tx, caller, j); err != nil {
			return err
		}
		n, err := s.queries.InsertImport(ctx, tx, params)
		if postgres.Violates(err, "import_replay") {
			return rpc.Precondition("REPLAY_RUNNING", "the rejected rows of %s are being read by another run; wait for its end", j.in.GetRejectsOf())
		}
		if err != nil || n == 0 { // 0: the same call, twice at once
			return err
		}
		if err := s.queries.InsertChunks(ctx, tx, p.params(caller.Run)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{
			Action: service + "PlanImport", Target: "datasets/" + j.dataset.Slug,
			After: map[string]any{"rows": p.rows, "mode": j.mode.String(), "source": p.source.name, "tag": p.source.tag},
		})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return rpc.NotFound("dataset", "datasets/"+j.dataset.Slug)
	}
	return err
}

// importer is the caller of an import's methods: always a run, which gives the import its name.
func importer(ctx context.Context) (auth.Caller, error) {
	caller := auth.From(ctx)
	if caller.Run == uuid.Nil {
		return caller, rpc.Denied("NOT_A_RUN", "an import belongs to a run")
	}
	return caller, nil
}

func (s *Service) imported(ctx context.Context, caller auth.Caller) (store.Import, error) {
	return s.importOf(ctx, caller.Organisation, caller.Run)
}

func (s *Service) importOf(ctx context.Context, organisation, run uuid.UUID) (row store.Import, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		row, err = s.queries.ImportByID(ctx, tx, run)
		return err
	})
	return row, err
}

func planOf(row store.Import) (*recordsv1.PlanImportResponse, error) {
	if row.State != statePlanned && row.State != stateFinished {
		return nil, rpc.Precondition("IMPORT_OVER", "the import was aborted; start a new run")
	}
	out := &recordsv1.PlanImportResponse{
		Chunks: row.Chunks, Rows: row.Rows, Progress: &eventsv1.Progress{Total: row.Rows, Unit: "rows"},
		Format: &recordsv1.Format{}, SourceName: row.SourceName, SourceSize: row.SourceSize, SourceTag: row.SourceTag,
	}
	return out, protojson.Unmarshal(row.Format, out.GetFormat())
}

// scratchPrefix is how the keys of an import's blobs begin.
func scratchPrefix(organisation, run uuid.UUID) string {
	return organisation.String() + "/" + run.String()
}

// scratchOf is where an import's text lies while it is under way.
func scratchOf(row store.Import) string {
	return cmp.Or(row.Scratch, scratchPrefix(row.OrganisationID, row.ID))
}

// drop frees what lies at a scratch key and beside it.
func (s *Service) drop(ctx context.Context, scratch string) error {
	return errors.Join(s.scratch.Remove(ctx, scratch), s.scratch.Remove(ctx, scratch+lookupsBeside))
}

// runOf reads "runs/ID".
func runOf(name, field string) (uuid.UUID, error) {
	text, ok := strings.CutPrefix(name, "runs/")
	id, err := uuid.Parse(text)
	if !ok || err != nil || id.String() != text {
		return uuid.Nil, rpc.Invalid(field, "%q names no run; write runs/ID", name)
	}
	return id, nil
}
