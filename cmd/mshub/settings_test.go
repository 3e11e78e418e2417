package main

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
)

// TestEnvExample: .env.example lists every setting of every room with the default that the code has, and nothing else.
func TestEnvExample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	product, _, _ := strings.Cut(string(raw), "# compose")
	listed := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#([A-Z][A-Z_0-9]+)=(.*)$`).FindAllStringSubmatch(product, -1) {
		listed[m[1]] = strings.Trim(m[2], `"`)
	}
	known := map[string]bool{ // read by commands and engines, not by a room
		"MSHUB_POSTGRES_BIN": true, "MSHUB_TEMPORAL_BIN": true,
		"MSHUB_URL": true, "MSHUB_CLIENT_ID": true, "MSHUB_CLIENT_SECRET": true, "MSHUB_TOKEN": true,
	}
	for _, c := range newRoomSettings().list() {
		for variable, fallback := range variables(reflect.TypeOf(c).Elem(), "") {
			known[variable] = true
			if got, ok := listed[variable]; !ok || got != fallback {
				t.Errorf("%s: .env.example says %q (%v), the code %q", variable, got, ok, fallback)
			}
		}
	}
	for variable := range listed {
		if !known[variable] {
			t.Errorf("%s is in .env.example, but nothing reads it", variable)
		}
	}
}

func variables(of reflect.Type, prefix string) map[string]string {
	found := map[string]string{}
	for field := range of.Fields() {
		if below := field.Tag.Get("envPrefix"); below != "" {
			maps.Copy(found, variables(field.Type, prefix+below))
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("env"), ","); name != "" {
			found[prefix+name] = field.Tag.Get("envDefault")
		}
	}
	return found
}

// TestConfigCheck reports every fault at once, names each variable, and never repeats a secret.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"MSHUB_PUBLIC_URL": "http://hub.example.com", "MSHUB_SECRET_KEYS": "hunter2", "DATABASE_URL": "mysql://root:hunter2@db/x",
		"MSHUB_FILES_MAX_BYTES": "0", "MSHUB_LISTEN": "8080", "MSHUB_RUNS_RETENTION": "soon", "MSHUB_TRUSTED_PROXIES": "edge",
	}
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), []string{"config", "check"}, environ, nil, &stdout, &stderr); code != 1 {
		t.Errorf("exit %d", code)
	}
	for _, variable := range []string{"MSHUB_PUBLIC_URL", "MSHUB_SECRET_KEYS", "DATABASE_URL", "MSHUB_FILES_MAX_BYTES", "MSHUB_LISTEN", "MSHUB_RUNS_RETENTION", "MSHUB_TRUSTED_PROXIES"} {
		if !strings.Contains(stderr.String(), variable) {
			t.Errorf("%s is not named in:\n%s", variable, stderr.String())
		}
	}
	if strings.Contains(stderr.String(), "hunter2") {
		t.Errorf("a secret is repeated:\n%s", stderr.String())
	}
}

// TestRolesKnowTheirPeers: what a role calls must run beside it or be configured.
func TestRolesKnowTheirPeers(t *testing.T) {
	t.Parallel()
	for roles, want := range map[string]string{
		"identity": "", "live": "runs", "runs": "identity", "authserver": "identity,notify", "authserver,identity,notify": "", "all": "",
	} {
		chosen, err := parseRoles(roles)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(peersOf(chosen), ","); got != want {
			t.Errorf("%s needs %q, want %q", roles, got, want)
		}
	}
	if _, err := parseRoles("identity,nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v", err)
	}
}

// TestTrustedProxies: behind the edge every room sees the caller's address; without the setting the header counts nothing.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]string{"": "10.0.0.1", "10.0.0.0/8": "192.0.2.7"} {
		rooms := newRoomSettings()
		if err := config.Load(map[string]string{"MSHUB_TRUSTED_PROXIES": trusted}, rooms.house); err != nil {
			t.Fatal(err)
		}
		h, seen := &house{set: rooms.house, mux: http.NewServeMux()}, ""
		h.mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { seen = auth.RemoteAddress(r.RemoteAddr) })
		for _, path := range []string{"/signin", "/live", "/v1/files"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.RemoteAddr = "10.0.0.1:4711"
			r.Header.Set("X-Forwarded-For", "198.51.100.1, 192.0.2.7")
			h.public().ServeHTTP(httptest.NewRecorder(), r)
			if seen != want {
				t.Errorf("trusted %q: %s sees %s, want %s", trusted, path, seen, want)
			}
		}
	}
}

// TestKeysOfTheHouse: made once, kept for this user alone, the same at the next start.
func TestKeysOfTheHouse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := (&settings{}).keys(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := (&settings{}).keys(dir, true)
	if err != nil || !reflect.DeepEqual(first, again) {
		t.Errorf("other keys at the second start: %v", err)
	}
	info, err := os.Stat(dir + "/" + secretsFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if _, err := (&settings{SecretKeys: config.Secret("AAAA")}).keys(dir, false); err == nil {
		t.Error("a short key was taken")
	}
}
