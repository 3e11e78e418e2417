package files

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/files/store"
)

// BlobHandler serves the links that this room signs itself, at BlobPath: the link is the permission, no token is read.
func (s *Service) BlobHandler() http.Handler {
	return s.answerErrors("files/blob", func(w http.ResponseWriter, r *http.Request) error {
		l, err := blob.OpenLink(s.keys, r.URL.Query(), s.now())
		switch {
		case errors.Is(err, blob.ErrExpired):
			return rpc.Denied("LINK_EXPIRED", "%s", err)
		case err != nil:
			return rpc.Denied("LINK_ALTERED", "%s", err)
		case l.Method == http.MethodPut && r.Method == http.MethodPut:
			return s.put(w, r, l)
		case l.Method == http.MethodGet && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			return s.get(w, r, l)
		}
		return rpc.Denied("LINK_METHOD", "the link is for %s only", l.Method)
	})
}

// get answers ranges and conditions, and never lets a browser show or guess what the file is.
func (s *Service) get(w http.ResponseWriter, r *http.Request, l blob.Link) error {
	reader, err := s.bucket.NewReader(r.Context(), l.Key, nil)
	if blob.Missing(err) {
		return rpc.NotFound("file", l.FileName)
	}
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	h := w.Header()
	h.Set("Content-Type", l.ContentType)
	h.Set("Content-Disposition", attachment(l.FileName))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
	http.ServeContent(w, r, "", reader.ModTime(), reader)
	return nil
}

// put takes the bytes of an upload that is not completed; the same link may be used again until then.
func (s *Service) put(w http.ResponseWriter, r *http.Request, l blob.Link) error {
	if !sameType(r.Header.Get("Content-Type"), l.ContentType) {
		return rpc.Invalid("Content-Type", "is %q, but the link is for %q", r.Header.Get("Content-Type"), l.ContentType)
	}
	if l.Size > 0 && r.ContentLength >= 0 && r.ContentLength != l.Size {
		return rpc.Invalid("Content-Length", "is %d, but the link is for %d bytes", r.ContentLength, l.Size)
	}
	if r.ContentLength > l.MaxSize {
		return rpc.Invalid("Content-Length", "is %d; at most %d bytes are allowed", r.ContentLength, l.MaxSize)
	}
	organisation, id, err := splitKey(l.Key)
	if err != nil {
		return err
	}
	got, keep, drop, err := s.receive(r.Context(), l.Key, l.FileName, r.Body, l.Size, l.MaxSize)
	if err != nil {
		return err
	}
	err = s.db.Tx(r.Context(), organisation, func(tx pgx.Tx) error {
		n, err := s.queries.Receive(r.Context(), tx, store.ReceiveParams{ID: id, Size: &got.size, Sha256: &got.sha256, ContentType: &got.contentType})
		if err == nil && n == 0 {
			err = rpc.Precondition("NOT_UPLOADING", "the upload was completed or taken back; create a new one")
		}
		if err != nil {
			return err
		}
		return keep() // while the row is locked: no completed file can change
	})
	drop()
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func sameType(got, want string) bool {
	g, gp, err1 := mime.ParseMediaType(got)
	w, wp, err2 := mime.ParseMediaType(want)
	return err1 == nil && err2 == nil && g == w && gp["charset"] == wp["charset"]
}

// answerErrors gives plain handlers the house's error bodies.
func (s *Service) answerErrors(procedure string, handle func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	writer := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Long transfers are fine; a transfer that stands still is not.
		control := http.NewResponseController(w)
		r.Body = &patient{ReadCloser: r.Body, extend: func() { _ = control.SetReadDeadline(time.Now().Add(transferStall)) }}
		if err := handle(w, r); err != nil {
			auth.WriteError(writer, w, r, rpc.Public(r.Context(), s.logger, procedure, err))
		}
	})
}

// transferStall is how long a sender may be silent within a transfer.
const transferStall = time.Minute

// patient moves the connection's read deadline with every read.
type patient struct {
	io.ReadCloser
	extend func()
}

func (p *patient) Read(b []byte) (int, error) {
	p.extend()
	return p.ReadCloser.Read(b)
}
