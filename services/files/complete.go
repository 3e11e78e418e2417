package files

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/files/store"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
)

// CompleteUpload compares what arrived with what was declared and makes the file ready. Repeating it is harmless.
func (s *Service) CompleteUpload(ctx context.Context, in *filesv1.CompleteUploadRequest) (*filesv1.File, error) {
	row, err := s.row(ctx, in.GetName())
	if err == nil {
		err = mayTouch(ctx, row)
	}
	if err != nil {
		return nil, err
	}
	wantSize, wantHash := row.Size, row.Sha256
	if wantSize == 0 {
		wantSize = in.GetSize()
	}
	if wantHash == "" {
		wantHash = in.GetSha256()
	}
	if in.GetSize() != 0 && in.GetSize() != wantSize {
		return nil, rpc.Invalid("size", "the upload was created for %d bytes", wantSize)
	}
	if in.GetSha256() != "" && in.GetSha256() != wantHash {
		return nil, rpc.Invalid("sha256", "the upload was created for the hash %s", wantHash)
	}
	if row.State == stateReady {
		return fileOf(row), nil
	}
	got, err := s.arrived(ctx, row)
	if err != nil {
		return nil, err
	}
	if wantSize != 0 && got.size != wantSize {
		err = rpc.Precondition("SIZE_DIFFERS", "%d bytes arrived, but %d were declared; upload the file again", got.size, wantSize)
	} else if wantHash != "" && got.sha256 != wantHash {
		err = rpc.Precondition("HASH_DIFFERS", "what arrived has the hash %s, but %s was declared; upload the file again", got.sha256, wantHash)
	}
	if err != nil {
		return nil, errors.Join(err, s.discard(ctx, row))
	}
	file := &filesv1.File{}
	err = s.db.Tx(ctx, row.OrganisationID, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "files", service+"CompleteUpload", rpc.IdempotencyKey(ctx), in, file, func() error {
			return s.finish(ctx, tx, "CompleteUpload", row, got, file)
		})
	})
	return file, err
}

// finish makes a file ready within the caller's transaction.
func (s *Service) finish(ctx context.Context, tx pgx.Tx, method string, row store.File, got arrival, file *filesv1.File) error {
	locked, err := s.queries.LockFile(ctx, tx, row.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return rpc.NotFound("file", "files/"+row.ID.String())
	}
	if err != nil {
		return err
	}
	if locked.State == stateReady { // somebody else was faster
		setFile(file, locked)
		return nil
	}
	done, err := s.queries.Complete(ctx, tx, store.CompleteParams{ID: row.ID, Size: got.size, Sha256: got.sha256, ContentType: got.contentType})
	if err != nil {
		return err
	}
	setFile(file, done)
	return audit.Append(ctx, tx, audit.Entry{
		Action: service + method, Target: file.GetName(),
		After: map[string]any{"size": got.size, "sha256": got.sha256, "contentType": got.contentType},
	})
}

// arrived tells what is in the store: known from our own link, else read once more.
func (s *Service) arrived(ctx context.Context, row store.File) (arrival, error) {
	if row.ReceivedSize != nil {
		return arrival{*row.ReceivedSize, *row.ReceivedSha256, *row.ReceivedType}, nil
	}
	missing := rpc.Precondition("NOT_UPLOADED", "no bytes have arrived yet; PUT them to the link of CreateUpload first")
	if !s.bucket.Presigns() {
		return arrival{}, missing
	}
	got, err := s.measure(ctx, blobKey(row.OrganisationID, row.ID), row.FileName)
	if blob.Missing(err) {
		err = missing
	}
	return got, err
}

// discard takes back an upload that went wrong.
func (s *Service) discard(ctx context.Context, row store.File) error {
	ctx = context.WithoutCancel(ctx) // also when the sender is gone
	err := s.db.Tx(ctx, row.OrganisationID, func(tx pgx.Tx) error {
		_, err := s.queries.MarkDeleting(ctx, tx, row.ID)
		return err
	})
	if err == nil {
		s.removeMarked(ctx, row.OrganisationID, row.ID)
	}
	return err
}
