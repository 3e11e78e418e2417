package files

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/testenv"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	"github.com/microservicehub/mshub/services/files/v1/filesv1connect"
)

// Over real HTTP with real tokens: who may upload in one call, and who may call which method.
func TestRights(t *testing.T) {
	t.Parallel()
	r := setup(t)
	issuer := testenv.Issuer(t)
	path, handler := filesv1connect.NewFilesServiceHandler(r.Service, issuer.Options()...)
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	mux.Handle("POST /v1/files", r.UploadHandler(issuer.Verifier()))
	url := testenv.Serve(t, issuer, "/", mux)
	organisation := uuid.New()
	caller := func(permission, scope string) auth.Caller {
		return auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: organisation, Permissions: []string{permission}, Scopes: []string{scope}}
	}
	post := func(token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/files?name=x.csv", strings.NewReader("a,b\n"))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	for name, c := range map[string]struct {
		token  string
		status int
		want   string
	}{
		"no token":        {"", 401, "NO_TOKEN"},
		"garbage":         {"garbage", 401, "unauthenticated"},
		"may only read":   {issuer.Token(caller("files.read", "files:write")), 403, "MISSING_PERMISSION"},
		"scope to read":   {issuer.Token(caller("files.write", "files:read")), 403, "MISSING_SCOPE"},
		"may write":       {issuer.Token(caller("files.write", "files:write")), 200, "text/csv"},
		"another's token": {testenv.Issuer(t).Token(caller("files.write", "files:write")), 401, "unauthenticated"},
	} {
		if status, body := post(c.token); status != c.status || !strings.Contains(body, c.want) && c.status != 401 {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, c.status, c.want)
		}
	}
	reader := filesv1connect.NewFilesServiceClient(http.DefaultClient, url, issuer.As(caller("files.read", "files:read")))
	list, err := reader.ListFiles(t.Context(), &filesv1.ListFilesRequest{})
	if err != nil || len(list.GetFiles()) != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	if _, err := reader.DeleteFile(t.Context(), &filesv1.DeleteFileRequest{Name: list.GetFiles()[0].GetName()}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a reader deletes: %v", err)
	}
	worker := filesv1connect.NewFilesServiceClient(http.DefaultClient, url, issuer.As(auth.Caller{Kind: auth.Run, Organisation: organisation, Run: uuid.New(), Actor: "users/x"}))
	if _, err := worker.CreateDownload(t.Context(), &filesv1.CreateDownloadRequest{Name: list.GetFiles()[0].GetName()}); err != nil {
		t.Errorf("a run asks for a link: %v", err)
	}
	if _, err := worker.ListFiles(t.Context(), &filesv1.ListFilesRequest{}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a run lists files: %v", err)
	}
}
