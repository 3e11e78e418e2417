package records

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/rowsink"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// FinishExport makes one file of all parts, sends it, and ends the export. Memory is bounded: parts are read as they are
// sent, and a Parquet file, whose size is not known before it is made, is made in scratch space first. It may be broken off
// and called again, with the link or a new one to the same place.
func (s *Service) FinishExport(ctx context.Context, in *recordsv1.FinishExportRequest) (*recordsv1.FinishExportResponse, error) {
	caller, row, _, format, err := s.openExport(ctx)
	if err != nil {
		return nil, err
	}
	var parts []store.ExportPart
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		parts, err = s.queries.ExportParts(ctx, tx, caller.Run)
		return err
	})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(parts, func(p store.ExportPart) bool { return !p.Done }) {
		return nil, rpc.Precondition("PARTS_MISSING", "not all parts are written yet")
	}
	if row.State == statePlanned {
		if err := s.sendExport(ctx, caller, &row, parts, format, in.GetUploadUrl()); err != nil {
			return nil, scratchError(err)
		}
	}
	out := &recordsv1.FinishExportResponse{Bytes: row.Bytes, Sha256: row.Sha256}
	for _, p := range parts {
		out.Rows += p.Rows
		out.AmbiguousCells += p.Ambiguous
	}
	after := map[string]any{"rows": out.GetRows(), "bytes": out.GetBytes(), "sha256": out.GetSha256()}
	if err := s.endExport(ctx, caller, stateFinished, "FinishExport", after); err != nil {
		return nil, err
	}
	return out, s.scratch.RemoveAll(ctx, exportPrefix(caller.Organisation, caller.Run))
}

// sendExport sends the file and notes its size and hash in row.
func (s *Service) sendExport(ctx context.Context, caller auth.Caller, row *store.Export, parts []store.ExportPart, format rowsink.Format, link string) error {
	keys := make([]string, 0, len(parts))
	for _, p := range parts {
		keys = append(keys, partKey(p))
	}
	if format.Kind == rowsink.Parquet {
		if row.Bytes == 0 {
			if err := s.makeWhole(ctx, caller, keys, format); err != nil {
				return err
			}
		}
		keys = []string{wholeKey(caller.Organisation, caller.Run)}
	}
	if row.Sha256 == "" {
		hash, size := sha256.New(), &counter{}
		if err := s.copyBlobs(ctx, io.MultiWriter(hash, size), keys); err != nil {
			return err
		}
		// Noted before anything is sent, so that a repeated call knows what an earlier one has sent.
		row.Bytes, row.Sha256 = size.n, hex.EncodeToString(hash.Sum(nil))
		err := s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
			return s.queries.NoteExportFile(ctx, tx, store.NoteExportFileParams{ID: caller.Run, Bytes: row.Bytes, Sha256: row.Sha256})
		})
		if err != nil {
			return err
		}
	}
	return s.put(ctx, link, "uploadUrl", format.ContentType(), row.Bytes, func(w io.Writer) error { return s.copyBlobs(ctx, w, keys) })
}

// makeWhole writes the file that parts of Parquet become.
func (s *Service) makeWhole(ctx context.Context, caller auth.Caller, parts []string, format rowsink.Format) error {
	writing, cancel := context.WithCancel(ctx)
	defer cancel() // before Close this leaves no blob
	w, err := s.scratch.NewWriter(writing, wholeKey(caller.Organisation, caller.Run), nil)
	if err != nil {
		return err
	}
	file := rowsink.NewParquetFile(w, format)
	for _, key := range parts {
		if err = s.readBlob(ctx, key, file.Part); err != nil {
			break
		}
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		cancel()
		_ = w.Close()
		return err
	}
	return w.Close()
}

// copyBlobs writes blobs one behind the other.
func (s *Service) copyBlobs(ctx context.Context, w io.Writer, keys []string) error {
	for _, key := range keys {
		err := s.readBlob(ctx, key, func(r io.Reader) error {
			_, err := io.Copy(w, r)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) readBlob(ctx context.Context, key string, f func(io.Reader) error) error {
	r, err := s.scratch.NewReader(ctx, key, nil)
	if blob.Missing(err) {
		return rpc.Precondition("SCRATCH_GONE", "a part of the export is gone from scratch space; start a new run")
	}
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return f(heeding(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	}))
}

// heeding is a reader that ends with its context: a directory's blobs do not, and a pause waits for nobody.
type heeding func(p []byte) (int, error)

func (h heeding) Read(p []byte) (int, error) { return h(p) }

// put sends what write writes to a signed link, which came in the given field.
func (s *Service) put(ctx context.Context, link, field, contentType string, size int64, write func(io.Writer) error) error {
	r, w := io.Pipe()
	defer func() { _ = r.Close() }()
	var body io.Reader = http.NoBody // a length of 0 would mean an unknown one
	if size > 0 {
		body = r
		go func() { w.CloseWithError(write(w)) }()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, link, body)
	if err != nil {
		return rpc.Invalid(field, "must be an http or https link")
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("If-None-Match", "*") // presigned links of S3 ask for it
	res, err := s.client.Do(req)
	if err != nil {
		return sendError(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	switch {
	case res.StatusCode < 300, res.StatusCode == http.StatusPreconditionFailed: // 412: an earlier try has sent it
		return nil
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests || brokenOff(answer):
		return rpc.Unavailable("the file store answers %d%s; try again", res.StatusCode, reasonIn(answer))
	}
	return rpc.Precondition("FILE_REFUSED", "the file store refuses the file (%d%s)", res.StatusCode, reasonIn(answer))
}

// brokenOff is true if an S3 server refuses (400) for no other reason than that bytes came late, or not all of them.
func brokenOff(answer []byte) bool {
	return bytes.Contains(answer, []byte("<Code>RequestTimeout</Code>")) || bytes.Contains(answer, []byte("<Code>IncompleteBody</Code>"))
}

// sendError hides the link, which is a permission, from logs and answers.
func sendError(ctx context.Context, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if ctx.Err() != nil || connect.CodeOf(err) != connect.CodeUnknown { // the caller's end, or ours, from reading the parts
		return err
	}
	return rpc.Unavailable("the file store can't be reached: %s", err)
}

// reasonIn is the sentence in an error of the house: ": the file store is full".
func reasonIn(answer []byte) string {
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &body) != nil || body.Message == "" {
		return ""
	}
	return ": " + body.Message
}
