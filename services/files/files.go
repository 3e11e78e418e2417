package files

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/files/store"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
)

const service = "services.files.v1.FilesService/"

// Service implements FilesService and the plain HTTP handlers beside it.
type Service struct {
	db        *postgres.DB
	queries   *store.Queries
	bucket    *blob.Bucket
	keys      [][]byte
	config    Config
	publicURL string
	logger    *slog.Logger
	now       func() time.Time
}

// New wires the room. The caller opens and closes the bucket; publicURL is MSHUB_PUBLIC_URL.
func New(db *postgres.DB, bucket *blob.Bucket, keys config.Keys, cfg Config, publicURL string, logger *slog.Logger, now func() time.Time) *Service {
	return &Service{
		db: db, queries: store.New(), bucket: bucket, keys: keys.Derive("files/url"), config: cfg,
		publicURL: strings.TrimSuffix(publicURL, "/"), logger: logger, now: now,
	}
}

// CreateUpload makes the row and a link for the bytes.
func (s *Service) CreateUpload(ctx context.Context, in *filesv1.CreateUploadRequest) (*filesv1.CreateUploadResponse, error) {
	caller := auth.From(ctx)
	name, err := cleanName(in.GetFileName())
	if err != nil {
		return nil, rpc.Invalid("fileName", "%s", err)
	}
	if in.GetSize() == 0 && caller.Kind != auth.Run {
		return nil, rpc.Invalid("size", "say how many bytes will come")
	}
	if in.GetSize() > s.config.MaxBytes {
		return nil, rpc.Invalid("size", "is %d bytes; at most %d are allowed", in.GetSize(), s.config.MaxBytes)
	}
	file := &filesv1.File{}
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "files", service+"CreateUpload", rpc.IdempotencyKey(ctx), in, file, func() error {
			row, err := s.insert(ctx, tx, name, in)
			if err != nil {
				return err
			}
			setFile(file, row)
			return audit.Append(ctx, tx, audit.Entry{Action: service + "CreateUpload", Target: file.GetName()})
		})
	})
	if err != nil {
		return nil, err
	}
	link, headers, expiry, err := s.uploadLink(ctx, file)
	if err != nil {
		return nil, err
	}
	return &filesv1.CreateUploadResponse{File: file, Url: link, Headers: headers, ExpireTime: timestamppb.New(expiry)}, nil
}

// insert makes a row that waits for its bytes.
func (s *Service) insert(ctx context.Context, tx pgx.Tx, name string, in *filesv1.CreateUploadRequest) (store.File, error) {
	caller := auth.From(ctx)
	id, err := uuid.NewV7()
	if err != nil {
		return store.File{}, err
	}
	creator := caller.Actor
	if caller.Kind == auth.Run {
		creator = "runs/" + caller.Run.String()
	}
	row := store.File{
		OrganisationID: caller.Organisation, ID: id, FileName: name, Size: in.GetSize(), Sha256: in.GetSha256(),
		ContentType: declaredType(in.GetContentType()), State: stateUploading, Creator: creator, CreateTime: s.now(),
	}
	return row, s.queries.InsertFile(ctx, tx, store.InsertFileParams{
		OrganisationID: row.OrganisationID, ID: row.ID, FileName: row.FileName, Size: row.Size, Sha256: row.Sha256,
		ContentType: row.ContentType, Creator: row.Creator, CreateTime: row.CreateTime,
	})
}

// GetFile returns a file, also one that is still uploading.
func (s *Service) GetFile(ctx context.Context, in *filesv1.GetFileRequest) (*filesv1.File, error) {
	row, err := s.row(ctx, in.GetName())
	if err != nil {
		return nil, err
	}
	return fileOf(row), nil
}

// ListFiles returns files that are ready, newest first.
func (s *Service) ListFiles(ctx context.Context, in *filesv1.ListFilesRequest) (*filesv1.ListFilesResponse, error) {
	var before *uuid.UUID
	if in.GetPageToken() != "" {
		before = new(uuid.UUID)
		if err := postgres.DecodePage(in.GetPageToken(), before); err != nil {
			return nil, err
		}
	}
	size := postgres.PageSize(in.GetPageSize())
	var rows []store.File
	err := s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		rows, err = s.queries.ListFiles(ctx, tx, store.ListFilesParams{Before: before, Page: int32(size) + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &filesv1.ListFilesResponse{}
	if len(rows) > size {
		rows = rows[:size]
		out.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		out.Files = append(out.Files, fileOf(row))
	}
	return out, nil
}

// DeleteFile hides the file at once and removes its bytes right after; housekeeping does what a crash leaves.
func (s *Service) DeleteFile(ctx context.Context, in *filesv1.DeleteFileRequest) (*filesv1.DeleteFileResponse, error) {
	caller, out := auth.From(ctx), &filesv1.DeleteFileResponse{}
	id, err := parseName(in.GetName())
	if err != nil {
		return nil, err
	}
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "files", service+"DeleteFile", rpc.IdempotencyKey(ctx), in, out, func() error {
			row, err := s.queries.File(ctx, tx, id)
			if err == nil {
				err = mayTouch(ctx, row)
			} else if errors.Is(err, pgx.ErrNoRows) {
				err = rpc.NotFound("file", in.GetName())
			}
			if err != nil {
				return err
			}
			n, err := s.queries.MarkDeleting(ctx, tx, id)
			if err == nil && n == 0 {
				err = rpc.NotFound("file", in.GetName())
			}
			if err != nil {
				return err
			}
			return audit.Append(ctx, tx, audit.Entry{Action: service + "DeleteFile", Target: in.GetName()})
		})
	})
	if err != nil {
		return nil, err
	}
	s.removeMarked(ctx, caller.Organisation, id)
	return out, nil
}

// row reads a file of the caller's organisation.
func (s *Service) row(ctx context.Context, name string) (row store.File, err error) {
	id, err := parseName(name)
	if err != nil {
		return row, err
	}
	err = s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		row, err = s.queries.File(ctx, tx, id)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = rpc.NotFound("file", name)
	}
	return row, err
}

// States of a row; see the migration.
const (
	stateUploading = "uploading"
	stateReady     = "ready"
)

func fileOf(row store.File) *filesv1.File {
	file := &filesv1.File{}
	setFile(file, row)
	return file
}

func setFile(file *filesv1.File, row store.File) {
	file.Name, file.FileName, file.Size, file.Sha256 = "files/"+row.ID.String(), row.FileName, row.Size, row.Sha256
	file.ContentType, file.Creator, file.CreateTime = row.ContentType, row.Creator, timestamppb.New(row.CreateTime)
	file.State = filesv1.File_UPLOADING
	if row.State == stateReady {
		file.State = filesv1.File_READY
	}
}

func parseName(name string) (uuid.UUID, error) {
	text, ok := strings.CutPrefix(name, "files/")
	id, err := uuid.Parse(text)
	if !ok || err != nil || id.String() != text {
		return uuid.Nil, rpc.NotFound("file", name)
	}
	return id, nil
}

// blobKey is where a file's bytes lie; nothing in it comes from a person.
func blobKey(organisation, id uuid.UUID) string { return organisation.String() + "/" + id.String() }
