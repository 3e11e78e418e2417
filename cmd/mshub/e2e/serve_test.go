package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/microservicehub/mshub/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// TestServe splits the house into two processes on one PostgreSQL, a real redis-server and one Temporal: services here,
// gateway, live feed and workers there. A run crosses between them all the way.
func TestServe(t *testing.T) {
	t.Parallel()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	services, edge := freeAddress(t), freeAddress(t)
	files := t.TempDir()
	env := []string{
		"DATABASE_URL=" + testenv.DatabaseURL(t), "REDIS_URL=" + testenv.Redis(t), "TEMPORAL_ADDRESS=" + testenv.Temporal(t),
		"SMTP_URL=smtp://127.0.0.1:9", "MSHUB_SECRET_KEYS=" + base64.StdEncoding.EncodeToString(secret),
		"MSHUB_PUBLIC_URL=http://" + edge, "MSHUB_FILES_URL=http://" + services, "MSHUB_FILES_BUCKET=file://" + files + "/files",
		"MSHUB_RECORDS_BUCKET=file://" + files + "/records", "MSHUB_AUTH_JWKS_URL=http://" + services + "/oauth2/jwks",
	}
	for _, role := range []string{"IDENTITY", "RUNS", "RECORDS", "FILES", "NOTIFY", "AUDIT", "AUTHSERVER"} {
		env = append(env, "MSHUB_PEERS_"+role+"=http://"+services)
	}

	first := serve(t, env, services, "identity,notify,audit,files,records,runs,authserver")
	eventually(t, time.Minute, "not ready before the migration, with the reason", func() bool {
		res, err := http.Get("http://" + first.ops + "/readyz")
		return err == nil && res.StatusCode == http.StatusServiceUnavailable && strings.Contains(body(t, res), "mshub migrate")
	})
	var migrations sync.WaitGroup
	for range 2 {
		migrations.Go(func() {
			if out, err := command(t, env, "migrate").CombinedOutput(); err != nil {
				t.Errorf("migrate: %v\n%s", err, out)
			}
		})
	}
	migrations.Wait()
	second := serve(t, env, edge, "gateway,live,web,worker,worker-batch")
	for _, p := range []*process{first, second} {
		eventually(t, time.Minute, "ready", func() bool {
			res, err := http.Get("http://" + p.ops + "/readyz")
			return err == nil && res.StatusCode == http.StatusOK && body(t, res) != ""
		})
	}

	// The first administrator exists before a machine client can belong to an organisation.
	out, err := command(t, append(env, "MSHUB_URL=http://"+services), "admin", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	link := strings.Replace(strings.TrimSpace(string(out)), edge, services, 1)
	h := &house{t: t, url: "http://" + services}
	admin := h.person()
	req, err := http.NewRequest(http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := admin.http.Do(req); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the link's page: %v %v", res, err)
	}
	h.url = "http://" + edge // forms are sent with the public origin, to the process that serves the pages
	res := admin.submit(link, map[string]string{"email": "ada@example.com", "name": "Ada", "password": password})
	_ = res.Body.Close()

	out, err = command(t, append(env, "MSHUB_URL=http://"+services), "admin", "client", "robot", "--scope", "runs:write records:write files:write", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	made := decode(t, string(out))
	auth := &house{t: t, url: "http://" + services}
	token := auth.clientCredentials(fmt.Sprint(made["clientId"]), fmt.Sprint(made["clientSecret"]), "runs:write records:write files:write")
	upload := &client{t: t, h: auth, token: func() string { return token }}
	c := &client{t: t, h: &house{t: t, url: "http://" + edge}, token: func() string { return token }}

	c.must(http.MethodPost, "/v1/datasets?datasetId=airlines", map[string]any{
		"title": "Airlines", "key": []string{"carrier"},
		"schema": map[string]any{"type": "object", "properties": map[string]any{"carrier": map[string]any{"type": "string"}, "name": map[string]any{"type": "string"}}, "required": []string{"carrier"}},
	})
	content, err := os.Open("../../../examples/airlines.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	file := upload.upload("airlines.csv", content)
	started := c.must(http.MethodPost, "/v1/runs", map[string]any{"process": "recordimport", "input": map[string]any{"file": file, "dataset": "datasets/airlines", "mode": "UPSERT"}})
	run := fmt.Sprint(started["name"])

	// The feed of the second process brings what the services of the first write, to the end.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err = http.NewRequestWithContext(ctx, http.MethodGet, "http://"+edge+"/live/events?topic=run:"+strings.TrimPrefix(run, "runs/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	feed, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = feed.Body.Close() }()
	next, completed := 1, false
	for lines := bufio.NewScanner(feed.Body); !completed && lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id:"); ok {
			if strings.TrimSpace(id) != fmt.Sprint(next) {
				t.Fatalf("event %s, want %d", id, next)
			}
			next++
		}
		completed = strings.Contains(lines.Text(), "run.completed")
	}
	if !completed {
		t.Fatalf("the feed ended after event %d", next-1)
	}
	end := c.ends(run, time.Minute)
	result, _ := end["result"].(map[string]any)
	if end["state"] != "COMPLETED" || fmt.Sprint(result["inserted"]) != "16" {
		t.Errorf("the run ended %v with %v, %v", end["state"], result, end["error"])
	}
}

// process is one `mshub serve`.
type process struct{ ops string }

func serve(t *testing.T, env []string, address, roles string) *process {
	t.Helper()
	p := &process{ops: freeAddress(t)}
	cmd := command(t, append(env, "MSHUB_LISTEN="+address, "MSHUB_OPS_LISTEN="+p.ops, "MSHUB_LOG_LEVEL=info"), "serve", "--roles", roles)
	var log strings.Builder
	var mu sync.Mutex
	cmd.Stderr = writerFunc(func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		log.Write(b)
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			mu.Lock()
			defer mu.Unlock()
			t.Logf("serve --roles %s said:\n%s", roles, log.String())
		}
	})
	return p
}

func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// freeAddress is a port that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
}
