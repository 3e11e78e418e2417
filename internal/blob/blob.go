// Package blob is where bytes lie: a directory on one machine, S3 in production, by gocloud.dev.
//
//	blob.go   Open an address, presign, range readers
//	link.go   signed links to a store that can't presign: what is signed and how it is verified
//
// A blob appears under its key whole or not at all: a writer that is not closed, or whose context has ended, leaves nothing.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	gcblob "gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // the s3:// scheme
	"gocloud.dev/gcerrors"
)

// MaxPresigned is the most bytes that one presigned PUT can bring (a limit of S3).
const MaxPresigned = 5 << 30

// Bucket is an opened store. Close it when the room closes.
type Bucket struct {
	*gcblob.Bucket
	dir string // of a directory store, else ""
}

// Check says what is wrong with an address, without opening it.
func Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme == "file" && (u.Host != "" || !strings.HasPrefix(u.Path, "/")):
		return errors.New("name an absolute directory: file:///var/lib/mshub/files")
	case u.Scheme == "s3" && u.Host == "":
		return errors.New("name the bucket: s3://bucket?region=eu-central-1")
	case u.Scheme != "file" && u.Scheme != "s3":
		return errors.New("use file:///directory or s3://bucket?region=…")
	}
	return nil
}

// Open opens file:///directory (created if missing, for this user alone) or s3://bucket?region=…; S3 credentials come
// from the usual AWS variables or the machine's role.
func Open(ctx context.Context, address string) (*Bucket, error) {
	if err := Check(address); err != nil {
		return nil, fmt.Errorf("blob store %q: %w", address, err)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "file" {
		b, err := gcblob.OpenBucket(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("blob store %s://%s: %w", u.Scheme, u.Host, err)
		}
		return &Bucket{Bucket: b}, nil
	}
	dir := filepath.FromSlash(u.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	b, err := fileblob.OpenBucket(dir, &fileblob.Options{DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return nil, fmt.Errorf("blob store %s: %w", dir, err)
	}
	return &Bucket{Bucket: b, dir: dir}, nil
}

// Directory makes the address of a directory.
func Directory(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// Presigns reports whether links lead straight to the store; otherwise mshub serves them itself.
func (b *Bucket) Presigns() bool { return b.dir == "" }

// PresignPut makes a link for one PUT that must carry the headers returned. The first PUT wins: another one is refused by
// the store. Size 0 leaves the size open.
func (b *Bucket) PresignPut(ctx context.Context, key, contentType string, size int64, expiry time.Duration) (string, map[string]string, error) {
	headers := map[string]string{"If-None-Match": "*"}
	if contentType != "" {
		headers["Content-Type"] = contentType
	}
	link, err := b.SignedURL(ctx, key, &gcblob.SignedURLOptions{
		Method: http.MethodPut, Expiry: expiry,
		BeforeSign: func(as func(any) bool) error {
			var in *s3.PutObjectInput
			if !as(&in) {
				return nil
			}
			in.IfNoneMatch = aws.String("*")
			if contentType != "" {
				in.ContentType = aws.String(contentType)
			}
			if size > 0 {
				in.ContentLength = aws.Int64(size)
			}
			return nil
		},
	})
	return link, headers, err
}

// PresignGet makes a link for downloads under the given Content-Disposition and type.
func (b *Bucket) PresignGet(ctx context.Context, key, disposition, contentType string, expiry time.Duration) (string, error) {
	return b.SignedURL(ctx, key, &gcblob.SignedURLOptions{
		Method: http.MethodGet, Expiry: expiry,
		BeforeSign: func(as func(any) bool) error {
			var in *s3.GetObjectInput
			if as(&in) {
				in.ResponseContentDisposition, in.ResponseContentType = aws.String(disposition), aws.String(contentType)
			}
			return nil
		},
	})
}

// Remove deletes a blob; one that is not there is no error.
func (b *Bucket) Remove(ctx context.Context, key string) error {
	if err := b.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	return nil
}

// RemoveAll deletes every blob whose key begins with prefix.
func (b *Bucket) RemoveAll(ctx context.Context, prefix string) error {
	for list := b.List(&gcblob.ListOptions{Prefix: prefix}); ; {
		object, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.Remove(ctx, object.Key); err != nil {
			return err
		}
	}
}

// Missing reports whether err says that there is no such blob.
func Missing(err error) bool { return gcerrors.Code(err) == gcerrors.NotFound }

// RemoveStranded deletes what writers left in a directory store that were killed before the given time. S3 cleans up by
// a lifecycle rule of the bucket.
func (b *Bucket) RemoveStranded(before time.Time) error {
	if b.dir == "" {
		return nil
	}
	return filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".tmp") {
			return nil //nolint:nilerr // a file may go away while we look; the next round sees what is left
		}
		if info, err := entry.Info(); err == nil && info.ModTime().Before(before) {
			_ = os.Remove(path)
		}
		return nil
	})
}
