package files

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/rpc"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
)

// BlobPath is where BlobHandler is mounted.
const BlobPath = "/files/blob"

// Lifetimes of links. A transfer must begin within them; it may take longer.
const (
	downloadLifetime = time.Minute
	// A run hands its link to a step that may be tried again, or wait for a worker.
	runDownloadLifetime = 15 * time.Minute
	uploadLifetime      = time.Hour
)

// CreateDownload makes a link that saves the file under its name and is never shown inline.
func (s *Service) CreateDownload(ctx context.Context, in *filesv1.CreateDownloadRequest) (*filesv1.CreateDownloadResponse, error) {
	row, err := s.row(ctx, in.GetName())
	if err != nil {
		return nil, err
	}
	if row.State != stateReady {
		return nil, rpc.Precondition("NOT_READY", "%s is still being uploaded", in.GetName())
	}
	lifetime := downloadLifetime
	if auth.From(ctx).Kind == auth.Run {
		lifetime = runDownloadLifetime
	}
	key, expiry := blobKey(row.OrganisationID, row.ID), s.now().Add(lifetime)
	out := &filesv1.CreateDownloadResponse{ExpireTime: timestamppb.New(expiry)}
	if s.bucket.Presigns() {
		out.Url, err = s.bucket.PresignGet(ctx, key, attachment(row.FileName), row.ContentType, lifetime)
		return out, err
	}
	out.Url = s.link(ctx, blob.Link{Method: "GET", Key: key, Expiry: expiry, ContentType: row.ContentType, FileName: row.FileName})
	return out, nil
}

// uploadLink makes the link for a file's PUT and the headers that must come with it.
func (s *Service) uploadLink(ctx context.Context, file *filesv1.File) (string, map[string]string, time.Time, error) {
	id, err := parseName(file.GetName())
	if err != nil {
		return "", nil, time.Time{}, err
	}
	key, expiry := blobKey(auth.From(ctx).Organisation, id), s.now().Add(uploadLifetime)
	if s.bucket.Presigns() {
		link, headers, err := s.bucket.PresignPut(ctx, key, file.GetContentType(), file.GetSize(), uploadLifetime)
		return link, headers, expiry, err
	}
	link := s.link(ctx, blob.Link{
		Method: "PUT", Key: key, Expiry: expiry, ContentType: file.GetContentType(),
		Size: file.GetSize(), MaxSize: s.config.MaxBytes, FileName: file.GetFileName(),
	})
	return link, map[string]string{"Content-Type": file.GetContentType()}, expiry, nil
}

func (s *Service) link(ctx context.Context, l blob.Link) string {
	base := s.publicURL
	if auth.From(ctx).Kind == auth.Run && s.config.URL != "" {
		base = strings.TrimSuffix(s.config.URL, "/")
	}
	return base + BlobPath + "?" + l.Query(s.keys)
}

// splitKey is the reverse of blobKey.
func splitKey(key string) (organisation, id uuid.UUID, err error) {
	left, right, _ := strings.Cut(key, "/")
	if organisation, err = uuid.Parse(left); err == nil {
		id, err = uuid.Parse(right)
	}
	return organisation, id, err
}
