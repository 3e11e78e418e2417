package files

import (
	"context"
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/files/store"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
)

// UploadHandler serves `POST /v1/files?name=flights.csv.gz` with the bytes as body and answers the File as JSON: create,
// transfer and complete in one call. An Idempotency-Key makes a repeated call give the first file. Whatever goes wrong,
// nothing is left behind.
func (s *Service) UploadHandler(verifier *auth.Verifier) http.Handler {
	return auth.HTTP(verifier, "files.write", "files:write", s.uploads())
}

func (s *Service) uploads() http.Handler {
	return s.answerErrors("files.Upload", func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			return rpc.Invalid("method", "use POST with the file as body")
		}
		file, err := s.upload(r)
		if err != nil {
			return err
		}
		body, err := protojson.Marshal(file)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body)
		return nil
	})
}

func (s *Service) upload(r *http.Request) (*filesv1.File, error) {
	ctx := r.Context()
	if r.URL.Query().Get("name") == "" {
		return nil, rpc.Invalid("name", "is missing: add ?name=flights.csv.gz to the address")
	}
	name, err := cleanName(r.URL.Query().Get("name"))
	if err != nil {
		return nil, rpc.Invalid("name", "%s", err)
	}
	if r.ContentLength > s.config.MaxBytes {
		return nil, rpc.Invalid("body", "is %d bytes long; a file may have at most %d", r.ContentLength, s.config.MaxBytes)
	}
	key := r.Header.Get(rpc.IdempotencyHeader)
	if len(key) > 200 {
		return nil, rpc.Invalid(rpc.IdempotencyHeader, "is %d bytes long; at most 200 are allowed", len(key))
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
	file, err := s.take(ctx, r, row, key)
	if err != nil || file.GetName() != fileOf(row).GetName() { // failed, or the answer to an earlier call
		return file, errors.Join(err, s.discard(ctx, row))
	}
	return file, nil
}

// take streams the body into the row's blob and makes the file ready.
func (s *Service) take(ctx context.Context, r *http.Request, row store.File, key string) (*filesv1.File, error) {
	got, keep, drop, err := s.receive(ctx, blobKey(row.OrganisationID, row.ID), row.FileName, r.Body, max(r.ContentLength, 0), s.config.MaxBytes)
	if err != nil {
		return nil, err
	}
	defer drop()
	file := &filesv1.File{}
	request := &filesv1.CreateUploadRequest{FileName: row.FileName, Size: got.size, Sha256: got.sha256}
	err = s.db.Tx(ctx, row.OrganisationID, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "files", service+"Upload", key, request, file, func() error {
			if err := keep(); err != nil {
				return err
			}
			return s.finish(ctx, tx, "Upload", row, got, file)
		})
	})
	return file, err
}
