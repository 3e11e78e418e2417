package files

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/files/store"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
)

// WriteFile keeps a small text in one call. Under the same idempotency key it gives the first file.
func (s *Service) WriteFile(ctx context.Context, in *filesv1.WriteFileRequest) (*filesv1.File, error) {
	name, err := cleanName(in.GetFileName())
	if err != nil {
		return nil, rpc.Invalid("fileName", "%s", err)
	}
	// The row comes first, so that housekeeping finds what a crash leaves.
	var row store.File
	err = s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		row, err = s.insert(ctx, tx, name, &filesv1.CreateUploadRequest{})
		return err
	})
	if err != nil {
		return nil, err
	}
	size := int64(len(in.GetContent()))
	got, keep, drop, err := s.receive(ctx, blobKey(row.OrganisationID, row.ID), row.FileName, bytes.NewReader(in.GetContent()), size, size)
	if err != nil {
		return nil, err
	}
	defer drop()
	file := &filesv1.File{}
	err = s.db.Tx(ctx, row.OrganisationID, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "files", service+"WriteFile", rpc.IdempotencyKey(ctx), in, file, func() error {
			if err := keep(); err != nil {
				return err
			}
			return s.finish(ctx, tx, "WriteFile", row, got, file)
		})
	})
	if err != nil {
		return nil, err
	}
	if file.GetName() != fileOf(row).GetName() { // the answer to an earlier call
		return file, s.discard(ctx, row)
	}
	return file, nil
}

// removedAtOnce bounds the blobs that EraseFiles removes itself; housekeeping does the others.
const removedAtOnce = 200

// EraseFiles counts the files that a person uploaded, deletes them, or takes the person's name off them.
func (s *Service) EraseFiles(ctx context.Context, in *filesv1.EraseFilesRequest) (*filesv1.EraseFilesResponse, error) {
	caller, out := auth.From(ctx), &filesv1.EraseFilesResponse{}
	if in.GetDryRun() {
		err := s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
			found, err := s.queries.CountFilesOf(ctx, tx, in.GetUser())
			out.Files, out.Bytes = found.Files, found.Bytes
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	}
	var removed []uuid.UUID
	err := s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		removed, out = nil, &filesv1.EraseFilesResponse{}
		return postgres.Once(ctx, tx, "files", service+"EraseFiles", rpc.IdempotencyKey(ctx), in, out, func() error {
			if in.GetKeep() {
				rows, err := s.queries.ForgetCreator(ctx, tx, in.GetUser())
				if err != nil {
					return err
				}
				for _, row := range rows {
					out.Files, out.Bytes = out.GetFiles()+1, out.GetBytes()+row.Size
				}
			} else {
				rows, err := s.queries.DeleteFilesOf(ctx, tx, in.GetUser())
				if err != nil {
					return err
				}
				for _, row := range rows {
					out.Files, out.Bytes = out.GetFiles()+1, out.GetBytes()+row.Size
					removed = append(removed, row.ID)
				}
			}
			return audit.Append(ctx, tx, audit.Entry{
				Action: service + "EraseFiles", Target: in.GetUser(), After: map[string]any{"files": out.GetFiles(), "bytes": out.GetBytes(), "kept": in.GetKeep()},
			})
		})
	})
	if err != nil {
		return nil, err
	}
	for _, id := range removed[:min(len(removed), removedAtOnce)] {
		s.removeMarked(ctx, caller.Organisation, id)
	}
	return out, nil
}

// mayTouch: who may not read the organisation's files has only the own ones. Others' do not exist for such a caller.
func mayTouch(ctx context.Context, row store.File) error {
	caller := auth.From(ctx)
	if caller.Kind == auth.Run || caller.Has("files.read") || row.Creator == caller.Actor {
		return nil
	}
	return rpc.NotFound("file", fileOf(row).GetName())
}
