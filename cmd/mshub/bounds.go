package main

import (
	"errors"
	"io"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// maxInFlight bounds the requests that one process works on at once; more are told to come back. Live connections and
// transfers are long by nature and have bounds of their own.
const maxInFlight = 512

// transferPatience is how long the body of a request may be on its way, and how long its sender may leave a part of the
// answer where it is. A body has 4 MiB at most.
const transferPatience = 30 * time.Second

// bounded works on so many requests at once. A request holds its place as long as the house needs, but no longer than
// patience for what its sender does: otherwise a few hundred slow senders, without any token, would keep everybody out.
func bounded(next http.Handler, atOnce int, patience time.Duration) http.Handler {
	slots := make(chan struct{}, atOnce)
	writer := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			answer := &impatient{ResponseWriter: w, control: http.NewResponseController(w), patience: patience}
			if r.Body != http.NoBody {
				_ = answer.control.SetReadDeadline(time.Now().Add(patience))
				r.Body = &impatientBody{r.Body, answer.control}
			}
			next.ServeHTTP(answer, r)
		default:
			w.Header().Set("Retry-After", "1")
			auth.WriteError(writer, w, r, rpc.Unavailable("too many requests at once; try again in a second"))
		}
	})
}

// impatient gives each write of an answer a deadline of its own.
type impatient struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

func (w *impatient) Write(p []byte) (int, error) {
	defer w.hurry()()
	return w.ResponseWriter.Write(p)
}

// Flush is for gRPC, which wants it.
func (w *impatient) Flush() {
	defer w.hurry()()
	_ = w.control.Flush()
}

func (w *impatient) hurry() (done func()) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.patience))
	return func() { _ = w.control.SetWriteDeadline(time.Time{}) }
}

// Unwrap is for http.ResponseController.
func (w *impatient) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// impatientBody takes the deadline back when all of it is there: from then on the house works, as long as it needs.
type impatientBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *impatientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
