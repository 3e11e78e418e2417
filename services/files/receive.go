package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	gcblob "gocloud.dev/blob"

	"github.com/microservicehub/mshub/internal/rpc"
)

// arrival is what came: counted, hashed and sniffed while it passed.
type arrival struct {
	size        int64
	sha256      string
	contentType string
}

// receive streams a body into the blob store. The blob appears only when keep is called; drop forgets it. Exactly one of
// them must be called, unless err says that nothing came of it. Exact 0 leaves the size open, up to limit.
func (s *Service) receive(ctx context.Context, key, name string, body io.Reader, exact, limit int64) (got arrival, keep func() error, drop func(), err error) {
	writing, cancel := context.WithCancel(ctx)
	w, err := s.bucket.NewWriter(writing, key, &gcblob.WriterOptions{ContentType: octetStream})
	if err != nil {
		cancel()
		return got, nil, nil, storeError(err)
	}
	closeOnce := sync.OnceValue(func() error { return storeError(w.Close()) })
	drop = func() {
		cancel() // a writer whose context has ended leaves nothing
		_ = closeOnce()
	}
	keep = func() error {
		defer cancel()
		return closeOnce()
	}
	if exact > 0 {
		limit = exact
	}
	in := &counted{r: io.LimitReader(body, limit+1)}
	hash, head := sha256.New(), &prefix{}
	_, err = io.Copy(io.MultiWriter(w, hash, head), in)
	switch {
	case in.err != nil:
		// Not the sender's mistake: who sends by machine takes it for what it is and sends again.
		err = rpc.Unavailable("the transfer ended early, after %d bytes; send the file again", in.n)
	case err != nil:
		err = storeError(err)
	case in.n > limit && exact > 0:
		err = rpc.Invalid("body", "is longer than the %d bytes that were announced", exact)
	case in.n > limit:
		err = rpc.Invalid("body", "is longer than the %d bytes that a file may have", limit)
	case in.n < exact:
		err = rpc.Invalid("body", "has %d bytes, but %d were announced", in.n, exact)
	}
	if err != nil {
		drop()
		return arrival{}, nil, nil, err
	}
	return arrival{in.n, hex.EncodeToString(hash.Sum(nil)), sniff(head.bytes, name)}, keep, drop, nil
}

// measure reads a blob that came past us, by a presigned link.
func (s *Service) measure(ctx context.Context, key, name string) (arrival, error) {
	r, err := s.bucket.NewReader(ctx, key, nil)
	if err != nil {
		return arrival{}, err
	}
	defer func() { _ = r.Close() }()
	hash, head := sha256.New(), &prefix{}
	n, err := io.Copy(io.MultiWriter(hash, head), r)
	return arrival{n, hex.EncodeToString(hash.Sum(nil)), sniff(head.bytes, name)}, err
}

// counted counts, and keeps the sender's fault apart from the store's.
type counted struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// prefix keeps the first 512 bytes.
type prefix struct{ bytes []byte }

func (p *prefix) Write(b []byte) (int, error) {
	if room := 512 - len(p.bytes); room > 0 {
		p.bytes = append(p.bytes, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

// storeError says when the store is full; everything else stays what it is.
func storeError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return rpc.Exhausted(time.Minute, "the file store is full; delete files or ask the operator for more space")
	}
	return err
}
