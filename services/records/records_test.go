package records_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/mongo"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
	"github.com/microservicehub/mshub/services/records"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// room is the service on a real store, with a file store that serves sources and takes rejects.
type room struct {
	*records.Service
	t       testing.TB
	ctx     context.Context // of a person
	url     string          // of the database, as its owner
	scratch string
	clock   time.Time

	mu      sync.Mutex
	sources map[string][]byte
	names   map[string]string
	rejects []byte
	files   *httptest.Server
}

// stores are the two homes of documents; tests of the room run on both.
var stores = map[string]func(t testing.TB, db *postgres.DB) store.Documents{
	"postgres": func(_ testing.TB, db *postgres.DB) store.Documents { return store.NewJSONB(db) },
	"mongo": func(t testing.TB, _ *postgres.DB) store.Documents {
		db, err := mongo.Open(t.Context(), testenv.Mongo(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close(context.Background()) })
		s, err := store.NewMongo(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
}

func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t, open))
		})
	}
}

func setup(t testing.TB, open func(testing.TB, *postgres.DB) store.Documents, settings ...func(*records.Config)) *room {
	t.Helper()
	r := &room{t: t, scratch: t.TempDir(), sources: map[string][]byte{}, names: map[string]string{}, clock: time.Now().Truncate(time.Microsecond)}
	bucket, err := blob.Open(t.Context(), blob.Directory(r.scratch))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	r.files = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.files.Close)
	r.url = testenv.DatabaseURL(t, auditstore.Schema(), store.Schema())
	db, err := postgres.Open(t.Context(), r.url, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	config := records.Config{MaxBytes: 1 << 30}
	for _, set := range settings {
		set(&config)
	}
	r.Service = records.New(db, open(t, db), bucket, r.files.Client(), config, slog.New(slog.DiscardHandler), func() time.Time { return r.clock })
	r.ctx = person(t.Context(), uuid.New())
	return r
}

func (r *room) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch source, ok := r.sources[req.URL.Path]; {
	case req.Method == http.MethodPut:
		if req.ContentLength < 0 || req.Header.Get("Content-Type") != records.RejectsType {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.rejects, _ = io.ReadAll(req.Body)
	case !ok:
		w.WriteHeader(http.StatusForbidden)
	default:
		if name := r.names[req.URL.Path]; name != "" {
			w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
		}
		_, _ = w.Write(source)
	}
}

func (r *room) source(content []byte, name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := "/" + uuid.NewString()
	r.sources[path], r.names[path] = content, name
	return r.files.URL + path
}

func person(ctx context.Context, organisation uuid.UUID) context.Context {
	return auth.With(ctx, auth.Caller{Kind: auth.User, Organisation: organisation, Actor: "users/" + uuid.NewString(), Permissions: []string{"*"}, Scopes: []string{"admin"}})
}

// run is a context of a new run in the same organisation as another context.
func run(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Caller{Kind: auth.Run, Organisation: auth.From(ctx).Organisation, Run: uuid.New(), Actor: auth.From(ctx).Actor})
}

// dataset creates one from JSON.
func (r *room) dataset(id, text string) *recordsv1.Dataset {
	r.t.Helper()
	in := &recordsv1.CreateDatasetRequest{DatasetId: id, Dataset: &recordsv1.Dataset{}}
	if err := protojson.Unmarshal([]byte(text), in.GetDataset()); err != nil {
		r.t.Fatal(err)
	}
	out, err := r.CreateDataset(r.ctx, in)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

type result struct {
	*recordsv1.FinishImportResponse
	chunks  int32
	rejects [][]string
}

// importFile runs a whole import as a workflow would.
func (r *room) importFile(ctx context.Context, in *recordsv1.PlanImportRequest) (result, error) {
	plan, err := r.PlanImport(ctx, in)
	if err != nil {
		return result{}, err
	}
	for chunk := range plan.GetChunks() {
		if _, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: chunk + 1}); err != nil {
			return result{}, err
		}
	}
	out, err := r.FinishImport(ctx, &recordsv1.FinishImportRequest{RejectsUrl: r.files.URL + "/rejects"})
	if err != nil {
		return result{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rejects, err := csv.NewReader(bytes.NewReader(r.rejects)).ReadAll()
	if len(rejects) > 0 {
		rejects = rejects[1:]
	}
	return result{out, plan.GetChunks(), rejects}, err
}

func (r result) counts() string {
	return fmt.Sprintf("read %d inserted %d updated %d unchanged %d rejected %d", r.GetRead(), r.GetInserted(), r.GetUpdated(), r.GetUnchanged(), r.GetRejected())
}

func (r *room) count(parent, filter string) int64 {
	r.t.Helper()
	out, err := r.CountRecords(r.ctx, &recordsv1.CountRecordsRequest{Parent: parent, Filter: filter})
	if err != nil {
		r.t.Fatal(err)
	}
	return out.GetCount()
}

func refused(t *testing.T, what string, err error, code connect.Code, want string) {
	t.Helper()
	if connect.CodeOf(err) != code || !strings.Contains(rpc.Message(err), want) {
		t.Errorf("%s: got %v, want %s: … %s …", what, err, code, want)
	}
}
