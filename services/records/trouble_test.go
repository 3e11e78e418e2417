package records_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// slowly serves a file in two halves, and does something between them.
func slowly(t *testing.T, text string, between func()) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text[:len(text)/2])
		_ = http.NewResponseController(w).Flush()
		between()
		_, _ = io.WriteString(w, text[len(text)/2:])
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// A schema that changes, or a dataset that is replaced, while the file is read for the first time: the plan was made by what
// is not so any more, and is refused.
func TestDatasetThatChangesWhileTheFileIsRead(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		dataset := r.dataset("cities", citiesSchema)
		text := short + strings.Repeat("X,a,1\n", 20_000)
		link := slowly(t, text, func() {
			fields := dataset.GetSchema().GetFields()["properties"].GetStructValue().GetFields()
			fields["mayor"] = fields["name"]
			if _, err := r.UpdateDataset(r.ctx, &recordsv1.UpdateDatasetRequest{Dataset: dataset}); err != nil {
				t.Error(err)
			}
		})
		_, err := r.PlanImport(run(r.ctx), &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: link})
		if rpc.ReasonOf(err) != "DATASET_CHANGED" {
			t.Errorf("a new schema: %v", err)
		}
		link = slowly(t, text, func() {
			in := r.cities(short + "X,b,2\n")
			in.Mode = recordsv1.ImportMode_REPLACE
			if _, err := r.importFile(run(r.ctx), in); err != nil {
				t.Error(err)
			}
		})
		_, err = r.PlanImport(run(r.ctx), &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: link})
		if rpc.ReasonOf(err) != "DATASET_REPLACED" {
			t.Errorf("a replacement: %v", err)
		}
		if got, left := r.people(), r.left(); got != "b=2" || len(left) != 0 {
			t.Errorf("records %s, left in the scratch space %v", got, left)
		}
	})
}

// A first reading that is broken off, by a pause or a cancel, leaves nothing, and the next one begins anew.
func TestReadingThatIsBrokenOff(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		ctx := run(r.ctx)
		reading, pause := context.WithCancel(ctx)
		defer pause()
		text := short + strings.Repeat("X,a,1\n", 20_000)
		_, err := r.PlanImport(reading, &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: slowly(t, text, pause)})
		if err == nil || reading.Err() == nil {
			t.Fatalf("it was read all the same: %v", err)
		}
		if left := r.left(); len(left) != 0 {
			t.Errorf("left in the scratch space: %v", left)
		}
		out, err := r.importFile(ctx, r.cities(short+"X,a,1\nX,b,2\n"))
		if err != nil || out.GetInserted() != 2 {
			t.Errorf("%v, %v", out, err)
		}
		// Cancelled before it was planned: what is still reading then leaves nothing, and the import is over.
		ctx = run(r.ctx)
		link := slowly(t, short+"X,c,3\n", func() {
			if _, err := r.AbortImport(ctx, &recordsv1.AbortImportRequest{}); err != nil {
				t.Error(err)
			}
		})
		in := &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: link}
		if _, err := r.PlanImport(ctx, in); err == nil || len(r.left()) != 0 {
			t.Errorf("%v, left %v", err, r.left())
		}
		if _, err := r.PlanImport(ctx, in); rpc.ReasonOf(err) != "IMPORT_OVER" {
			t.Errorf("planned again: %v", err)
		}
	})
}

// A file that is another one between two chunks is imported as it was when the import began.
func TestFileThatChangesBetweenChunks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		ctx, in := run(r.ctx), r.cities(short+"X,a,1\nX,b,2\nX,c,3\n")
		in.ChunkRows = 1
		if _, err := r.PlanImport(ctx, in); err != nil {
			t.Fatal(err)
		}
		for chunk := range int32(3) {
			if _, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: chunk + 1}); err != nil {
				t.Fatal(err)
			}
			r.mu.Lock()
			for path := range r.sources {
				r.sources[path] = []byte("people,country,name,more\n7,Y,z,1\n")
			}
			r.mu.Unlock()
			if _, err := r.PlanImport(ctx, in); err != nil { // a repeated call does not read again
				t.Fatal(err)
			}
		}
		if got := r.people(); got != "a=1 b=2 c=3" {
			t.Errorf("imported were %s", got)
		}
	})
}

// keeper is a file store that takes the rejects as it is told to.
type keeper struct {
	*httptest.Server
	answer atomic.Pointer[func(w http.ResponseWriter)]
	puts   atomic.Int32
	last   atomic.Pointer[string]
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		k.puts.Add(1)
		if req.Header.Get("Content-Type") == records.RejectsType {
			text := string(body)
			k.last.Store(&text)
		}
		(*k.answer.Load())(w)
	}))
	t.Cleanup(k.Close)
	return k
}

func (k *keeper) says(status int, body string) {
	answer := func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	k.answer.Store(&answer)
}

// The file of rejected rows is sent before or after the end, and again if nobody heard the answer; what the file store says
// about it changes nothing about an import that has ended.
func TestRejectsFileAndItsStore(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		ctx, in, k := run(r.ctx), r.cities(short+"X,a,1\nX,b,many\n"), newKeeper(t)
		if _, err := r.PlanImport(ctx, in); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 1}); err != nil {
			t.Fatal(err)
		}
		sum, err := r.FinishImport(ctx, &recordsv1.FinishImportRequest{})
		if err != nil || sum.GetRejected() != 1 || sum.GetRejectsSize() != 0 {
			t.Fatal(sum, err)
		}
		send := func() (*recordsv1.FinishImportResponse, error) {
			return r.FinishImport(ctx, &recordsv1.FinishImportRequest{RejectsUrl: k.URL})
		}
		for _, c := range []struct {
			status int
			body   string
			code   connect.Code
		}{
			{403, "", connect.CodeFailedPrecondition},
			{400, `{"code":"failed_precondition","message":"the upload was completed or taken back"}`, connect.CodeFailedPrecondition},
			{400, `<Error><Code>RequestTimeout</Code></Error>`, connect.CodeUnavailable},
			{503, `{"code":"unavailable","message":"the transfer ended early"}`, connect.CodeUnavailable},
		} {
			k.says(c.status, c.body)
			if _, err := send(); connect.CodeOf(err) != c.code {
				t.Errorf("%d %s: %v", c.status, c.body, err)
			}
		}
		lost := func(w http.ResponseWriter) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		}
		k.answer.Store(&lost)
		if _, err := send(); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("an answer that got lost: %v", err)
		}
		if got := r.people(); got != "a=1" {
			t.Errorf("records: %s", got)
		}
		for _, status := range []int{200, 412, 400} { // taken; and whatever it would say to another one, none is sent
			k.says(status, "")
			puts := k.puts.Load()
			out, err := send()
			if err != nil || out.GetRejectsSize() != int64(len(*k.last.Load())) || out.GetRejected() != 1 || status != 200 && k.puts.Load() != puts {
				t.Errorf("%d: %v, %v", status, out, err)
			}
			sum.RejectsSize, sum.RejectsSha256 = out.GetRejectsSize(), out.GetRejectsSha256()
			if diff := cmp.Diff(sum.String(), out.String()); diff != "" {
				t.Error(diff)
			}
		}
		if text := *k.last.Load(); !strings.Contains(text, "3,people,many,is not a whole number") {
			t.Errorf("sent was %q", text)
		}
	})
}
