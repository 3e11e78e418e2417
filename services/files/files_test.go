package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
	"github.com/microservicehub/mshub/services/files/store"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// room is the service on a real database and directory, with its HTTP handlers served.
type room struct {
	*Service
	dir   string
	http  *httptest.Server
	ctx   context.Context // of a person
	clock time.Time
}

func setup(t *testing.T, change ...func(*Config)) *room {
	t.Helper()
	r := &room{dir: t.TempDir(), clock: time.Now()}
	bucket, err := blob.Open(t.Context(), blob.Directory(r.dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	cfg := Config{MaxBytes: 1 << 20}
	for _, f := range change {
		f(&cfg)
	}
	r.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == BlobPath {
			r.BlobHandler().ServeHTTP(w, req)
			return
		}
		r.uploads().ServeHTTP(w, req.WithContext(auth.With(req.Context(), auth.From(r.ctx))))
	}))
	t.Cleanup(r.http.Close)
	db := testenv.Postgres(t, auditstore.Schema(), store.Schema())
	r.Service = New(db, bucket, config.Keys{bytes.Repeat([]byte{1}, 32)}, cfg, r.http.URL, slog.New(slog.DiscardHandler), func() time.Time { return r.clock })
	r.ctx = person(t.Context(), uuid.New())
	return r
}

func person(ctx context.Context, organisation uuid.UUID) context.Context {
	return auth.With(ctx, auth.Caller{Kind: auth.User, Organisation: organisation, Actor: "users/" + uuid.NewString(), Permissions: []string{"*"}, Scopes: []string{"admin"}})
}

func run(ctx context.Context, organisation uuid.UUID) context.Context {
	ctx = auth.With(ctx, auth.Caller{Kind: auth.Run, Organisation: organisation, Run: uuid.New(), Actor: "users/" + uuid.NewString()})
	return rpc.WithIdempotencyKey(ctx, uuid.NewString())
}

func (r *room) do(t *testing.T, method, url string, body io.Reader, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// left lists what lies in the store and in the table.
func (r *room) left(t *testing.T) (blobs []string, rows int) {
	t.Helper()
	_ = filepath.WalkDir(r.dir, func(path string, entry os.DirEntry, _ error) error {
		if !entry.IsDir() {
			blobs = append(blobs, path)
		}
		return nil
	})
	err := r.db.System(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM files.file").Scan(&rows)
	})
	if err != nil {
		t.Fatal(err)
	}
	return blobs, rows
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestUploadInThreeCalls(t *testing.T) {
	t.Parallel()
	r := setup(t)
	const text = "a,b\n1,2\n"
	up, err := r.CreateUpload(r.ctx, &filesv1.CreateUploadRequest{FileName: "../x/Grüße \"1\".csv", Size: int64(len(text)), Sha256: sha(text), ContentType: "text/csv"})
	if err != nil {
		t.Fatal(err)
	}
	name := up.GetFile().GetName()
	if _, err := r.CompleteUpload(r.ctx, &filesv1.CompleteUploadRequest{Name: name}); rpc.ReasonOf(err) != "NOT_UPLOADED" {
		t.Errorf("completing before the bytes came: %v", err)
	}
	if _, err := r.CreateDownload(r.ctx, &filesv1.CreateDownloadRequest{Name: name}); rpc.ReasonOf(err) != "NOT_READY" {
		t.Errorf("downloading before completion: %v", err)
	}
	for range 2 { // a PUT may be repeated until completion
		if res, body := r.do(t, "PUT", up.GetUrl(), strings.NewReader(text), up.GetHeaders()); res.StatusCode != 200 {
			t.Fatalf("PUT: %d %s", res.StatusCode, body)
		}
	}
	for range 2 {
		file, err := r.CompleteUpload(r.ctx, &filesv1.CompleteUploadRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if file.GetState() != filesv1.File_READY || file.GetSize() != int64(len(text)) || file.GetContentType() != "text/csv; charset=utf-8" || file.GetFileName() != `Grüße "1".csv` {
			t.Errorf("got %v", file)
		}
	}
	if res, body := r.do(t, "PUT", up.GetUrl(), strings.NewReader(strings.ToUpper(text)), up.GetHeaders()); res.StatusCode != 400 || !strings.Contains(body, "NOT_UPLOADING") {
		t.Errorf("PUT after completion: %d %s", res.StatusCode, body)
	}

	down, err := r.CreateDownload(r.ctx, &filesv1.CreateDownloadRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	res, body := r.do(t, "GET", down.GetUrl(), nil, nil)
	if body != text || res.StatusCode != 200 {
		t.Errorf("GET: %d %q", res.StatusCode, body)
	}
	if got := res.Header.Get("Content-Disposition"); got != `attachment; filename="Gr__e _1_.csv"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.csv` {
		t.Errorf("Content-Disposition: %s", got)
	}
	if res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("nosniff is missing")
	}
	if res, body := r.do(t, "GET", down.GetUrl(), nil, map[string]string{"Range": "bytes=4-5"}); res.StatusCode != 206 || body != "1," {
		t.Errorf("range: %d %q", res.StatusCode, body)
	}
	r.clock = r.clock.Add(61 * time.Second)
	if res, body := r.do(t, "GET", down.GetUrl(), nil, nil); res.StatusCode != 403 || !strings.Contains(body, "LINK_EXPIRED") {
		t.Errorf("after a minute: %d %s", res.StatusCode, body)
	}
}

func TestLinksCannotBeBent(t *testing.T) {
	t.Parallel()
	r := setup(t)
	up, err := r.CreateUpload(r.ctx, &filesv1.CreateUploadRequest{FileName: "x", Size: 3, ContentType: "text/csv"})
	if err != nil {
		t.Fatal(err)
	}
	csv := map[string]string{"Content-Type": "text/csv"}
	for name, c := range map[string]struct {
		method, url, body string
		header            map[string]string
		status            int
		want              string
	}{
		"another method":     {"GET", up.GetUrl(), "", nil, 403, "LINK_METHOD"},
		"delete":             {"DELETE", up.GetUrl(), "", nil, 403, "LINK_METHOD"},
		"another type":       {"PUT", up.GetUrl(), "abc", map[string]string{"Content-Type": "text/html"}, 400, "Content-Type"},
		"too long":           {"PUT", up.GetUrl(), "abcd", csv, 400, "Content-Length"},
		"too short":          {"PUT", up.GetUrl(), "ab", csv, 400, "Content-Length"},
		"another size":       {"PUT", strings.Replace(up.GetUrl(), "s=3", "s=4", 1), "abcd", csv, 403, "LINK_ALTERED"},
		"another expiry":     {"PUT", strings.Replace(up.GetUrl(), "e=1", "e=2", 1), "abc", csv, 403, "LINK_ALTERED"},
		"another method's":   {"GET", strings.Replace(up.GetUrl(), "m=PUT", "m=GET", 1), "", nil, 403, "LINK_ALTERED"},
		"another file":       {"PUT", strings.Replace(up.GetUrl(), "k=", "k=x", 1), "abc", csv, 403, "LINK_ALTERED"},
		"no signature":       {"PUT", up.GetUrl()[:strings.Index(up.GetUrl(), "sig=")], "abc", csv, 403, "LINK_ALTERED"},
		"nothing at all":     {"GET", r.http.URL + BlobPath, "", nil, 403, "LINK_ALTERED"},
		"a broken signature": {"PUT", strings.Replace(up.GetUrl(), "sig=", "sig=%25", 1), "abc", csv, 403, "LINK_ALTERED"},
	} {
		if res, body := r.do(t, c.method, c.url, strings.NewReader(c.body), c.header); res.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %d %s", name, res.StatusCode, body, c.status, c.want)
		}
	}
	// Chunked bodies announce no length; they are counted while they pass.
	for _, body := range []string{"ab", "abcd"} {
		if res, text := r.do(t, "PUT", up.GetUrl(), struct{ io.Reader }{strings.NewReader(body)}, csv); res.StatusCode != 400 {
			t.Errorf("chunked %q: %d %s", body, res.StatusCode, text)
		}
	}
	if blobs, _ := r.left(t); len(blobs) != 0 {
		t.Errorf("left behind: %v", blobs)
	}
}

func TestWrongHashTakesTheUploadBack(t *testing.T) {
	t.Parallel()
	r := setup(t)
	up, err := r.CreateUpload(r.ctx, &filesv1.CreateUploadRequest{FileName: "x", Size: 3, Sha256: sha("abc")})
	if err != nil {
		t.Fatal(err)
	}
	if res, body := r.do(t, "PUT", up.GetUrl(), strings.NewReader("abd"), up.GetHeaders()); res.StatusCode != 200 {
		t.Fatal(body)
	}
	if _, err := r.CompleteUpload(r.ctx, &filesv1.CompleteUploadRequest{Name: up.GetFile().GetName()}); rpc.ReasonOf(err) != "HASH_DIFFERS" {
		t.Errorf("got %v", err)
	}
	if blobs, rows := r.left(t); len(blobs) != 0 || rows != 0 {
		t.Errorf("left behind: %v and %d rows", blobs, rows)
	}
}

func TestRunLeavesSizeOpen(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *Config) { c.URL = "http://files.internal/" })
	ctx := run(t.Context(), uuid.New())
	up, err := r.CreateUpload(ctx, &filesv1.CreateUploadRequest{FileName: "rejects.csv"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.CreateUpload(ctx, &filesv1.CreateUploadRequest{FileName: "rejects.csv"})
	if err != nil || again.GetFile().GetName() != up.GetFile().GetName() {
		t.Errorf("a repeated call made another file: %v, %v", again, err)
	}
	link, ok := strings.CutPrefix(up.GetUrl(), "http://files.internal")
	if !ok {
		t.Fatalf("a run's link must use the internal base: %s", up.GetUrl())
	}
	if res, body := r.do(t, "PUT", r.http.URL+link, strings.NewReader("line\n"), up.GetHeaders()); res.StatusCode != 200 {
		t.Fatal(body)
	}
	in := &filesv1.CompleteUploadRequest{Name: up.GetFile().GetName(), Size: 5, Sha256: sha("line\n")}
	if file, err := r.CompleteUpload(ctx, in); err != nil || file.GetSize() != 5 {
		t.Errorf("got %v, %v", file, err)
	}
	if _, err := r.CreateUpload(r.ctx, &filesv1.CreateUploadRequest{FileName: "x"}); rpc.FieldsOf(err) == nil {
		t.Errorf("a person must announce the size: %v", err)
	}
	if _, err := r.CreateUpload(r.ctx, &filesv1.CreateUploadRequest{FileName: "x", Size: 2 << 20}); rpc.FieldsOf(err)[0] != "size" {
		t.Errorf("too much was announced: %v", err)
	}
}

func TestUploadInOneCall(t *testing.T) {
	t.Parallel()
	r := setup(t)
	res, body := r.do(t, "POST", r.http.URL+"/v1/files?name=flights.csv.gz", strings.NewReader("\x1f\x8b\x08gzip"), map[string]string{"Idempotency-Key": "k"})
	var file struct{ Name, FileName, Size, Sha256, ContentType, State string }
	if err := json.Unmarshal([]byte(body), &file); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if file.Size != "7" || file.Sha256 != sha("\x1f\x8b\x08gzip") || file.ContentType != "application/gzip" || file.State != "READY" || !strings.HasPrefix(file.Name, "files/") {
		t.Errorf("got %s", body)
	}
	if _, again := r.do(t, "POST", r.http.URL+"/v1/files?name=flights.csv.gz", strings.NewReader("\x1f\x8b\x08gzip"), map[string]string{"Idempotency-Key": "k"}); !strings.Contains(again, file.Name) {
		t.Errorf("the same key gave another file: %s", again)
	}
	if res, body := r.do(t, "POST", r.http.URL+"/v1/files?name=flights.csv.gz", strings.NewReader("other"), map[string]string{"Idempotency-Key": "k"}); res.StatusCode != 409 {
		t.Errorf("the same key with other bytes: %d %s", res.StatusCode, body)
	}
	if blobs, rows := r.left(t); len(blobs) != 1 || rows != 1 {
		t.Errorf("left behind: %v, %d rows; want the one file", blobs, rows)
	}
}

func TestBadUploadsLeaveNothing(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *Config) { c.MaxBytes = 1000 })
	long := strings.Repeat("x", 1001)
	for name, c := range map[string]struct {
		query  string
		body   io.Reader
		method string
		want   string
	}{
		"no name":          {"", strings.NewReader("x"), "POST", "add ?name="},
		"a path as name":   {"?name=%2F", strings.NewReader("x"), "POST", "name the file"},
		"control in name":  {"?name=a%0Ab", strings.NewReader("x"), "POST", "no file name"},
		"text turned":      {"?name=a%E2%80%AEgpj.exe", strings.NewReader("x"), "POST", "no file name"},
		"text isolated":    {"?name=a%E2%81%A6b", strings.NewReader("x"), "POST", "no file name"},
		"oversize":         {"?name=x", strings.NewReader(long), "POST", "at most 1000"},
		"oversize chunked": {"?name=x", struct{ io.Reader }{strings.NewReader(long)}, "POST", "1000 bytes"},
		"another method":   {"?name=x", strings.NewReader("x"), "PUT", "use POST"},
	} {
		if res, body := r.do(t, c.method, r.http.URL+"/v1/files"+c.query, c.body, nil); res.StatusCode != 400 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}

	// A sender that goes away in the middle.
	conn, err := net.Dial("tcp", r.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/files?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	if !bytes.Contains(answer, []byte("ended early")) {
		t.Errorf("truncated body: %s", answer)
	}
	if blobs, rows := r.left(t); len(blobs) != 0 || rows != 0 {
		t.Errorf("left behind: %v, %d rows", blobs, rows)
	}
}

func TestAnotherOrganisationSeesNothing(t *testing.T) {
	t.Parallel()
	r := setup(t)
	_, body := r.do(t, "POST", r.http.URL+"/v1/files?name=x", strings.NewReader("x"), nil)
	var file struct{ Name string }
	if err := json.Unmarshal([]byte(body), &file); err != nil {
		t.Fatal(err)
	}
	other := person(t.Context(), uuid.New())
	for method, call := range map[string]func() error{
		"GetFile": func() error { _, err := r.GetFile(other, &filesv1.GetFileRequest{Name: file.Name}); return err },
		"CompleteUpload": func() error {
			_, err := r.CompleteUpload(other, &filesv1.CompleteUploadRequest{Name: file.Name})
			return err
		},
		"CreateDownload": func() error {
			_, err := r.CreateDownload(other, &filesv1.CreateDownloadRequest{Name: file.Name})
			return err
		},
		"DeleteFile": func() error {
			_, err := r.DeleteFile(other, &filesv1.DeleteFileRequest{Name: file.Name})
			return err
		},
	} {
		if err := call(); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v, want not_found", method, err)
		}
	}
	if list, err := r.ListFiles(other, &filesv1.ListFilesRequest{}); err != nil || len(list.GetFiles()) != 0 {
		t.Errorf("ListFiles: %v, %v", list, err)
	}
}

func TestListAndDelete(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for i := range 5 {
		r.do(t, "POST", fmt.Sprintf("%s/v1/files?name=%d", r.http.URL, i), strings.NewReader("x"), nil)
	}
	var names []string
	in := &filesv1.ListFilesRequest{PageSize: 2}
	for {
		page, err := r.ListFiles(r.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.GetFiles() {
			names = append(names, f.GetFileName())
		}
		if in.PageToken = page.GetNextPageToken(); in.GetPageToken() == "" {
			break
		}
	}
	if got := strings.Join(names, ""); got != "43210" {
		t.Errorf("pages gave %s, want newest first", got)
	}
	list, err := r.ListFiles(r.ctx, &filesv1.ListFilesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	name := list.GetFiles()[0].GetName()
	if _, err := r.DeleteFile(r.ctx, &filesv1.DeleteFileRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.GetFile(r.ctx, &filesv1.GetFileRequest{Name: name}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("deleted, but: %v", err)
	}
	if blobs, rows := r.left(t); len(blobs) != 4 || rows != 4 {
		t.Errorf("left: %d blobs, %d rows", len(blobs), rows)
	}
}

func TestHousekeepingRemovesUnfinishedUploads(t *testing.T) {
	t.Parallel()
	r := setup(t)
	up, err := r.CreateUpload(r.ctx, &filesv1.CreateUploadRequest{FileName: "x", Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	r.do(t, "PUT", up.GetUrl(), strings.NewReader("x"), up.GetHeaders())
	if err := r.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if blobs, rows := r.left(t); len(blobs) != 1 || rows != 1 {
		t.Fatalf("too early: %v, %d rows", blobs, rows)
	}
	r.clock = r.clock.Add(25 * time.Hour)
	stranded := filepath.Join(r.dir, "x.tmp")
	if err := os.WriteFile(stranded, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if blobs, rows := r.left(t); len(blobs) != 0 || rows != 0 {
		t.Errorf("left: %v, %d rows", blobs, rows)
	}
}
