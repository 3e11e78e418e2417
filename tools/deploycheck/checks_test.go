package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestChecksFindFaults changes one thing in a copy of what is committed and expects the check to name it: a
// check that looks at nothing passes too.
func TestChecksFindFaults(t *testing.T) {
	for name, c := range map[string]struct {
		check, file, from, to string
		want                  string
	}{
		"job that never is healthy": {"compose", "docker-compose.yml", "condition: service_completed_successfully", "condition: service_healthy", "which it never is"},
		"port open to all":          {"compose", "docker-compose.yml", `"127.0.0.1:8025:8025"`, `"8025:8025"`, "bound to every address"},
		"unknown role":              {"compose", "docker-compose.yml", "[serve, --roles, audit]", "[serve, --roles, audits]", `no role "audits"`},
		"role missing":              {"compose", "docker-compose.yml", `"gateway,web"`, "gateway", "no service runs the role web"},
		"secret with a default":     {"compose", "docker-compose.yml", "${MONGO_KEY:?run deploy/compose/env.sh}", "${MONGO_KEY:-abc}", "gives the secret MONGO_KEY a default"},
		"variable not documented":   {"compose", ".env.example", "MONGO_KEY=", "MONGO=", "uses ${MONGO_KEY}, which"},
		"floating image":            {"compose", "docker-compose.yml", "caddy:${CADDY_VERSION:-2.10.2-alpine}", "caddy:latest", "no tag that stays"},
		"file not there":            {"compose", "docker-compose.yml", "./observability/loki/loki.yaml:", "./observability/loki/lost.yaml:", "lost.yaml"},
		"undefined volume":          {"compose", "docker-compose.yml", `["files:/data"]`, `["fails:/data"]`, "fails"},
		"role not scraped":          {"compose", "observability/prometheus/prometheus.yml", "          - audit\n", "", "disagree about audit"},
		"search attribute missing":  {"compose", "deploy/compose/temporal/namespace.sh", "MshubWaiting=Bool ", "", "search attributes"},
		"unknown stage":             {"dockerfile", "deploy/docker/Dockerfile", "COPY --from=web", "COPY --from=wed", "wed"},
		"unknown instruction":       {"dockerfile", "deploy/docker/Dockerfile", "EXPOSE", "EXPOSED", "unknown instruction"},
		"secret in the image":       {"dockerfile", "deploy/docker/Dockerfile", "EXPOSE", "ENV API_TOKEN=x\nEXPOSE", "SecretsUsedInArgOrEnv"},
		"runs as root":              {"dockerfile", "deploy/docker/Dockerfile", "USER 65532:65532", "USER root", "lacks USER"},
		"metric nobody serves":      {"metrics", "observability/metrics.txt", "mshub_live_events_total ", "mshub_live_event_total ", "mshub_live_events_total is not in"},
		"query does not parse":      {"metrics", "observability/grafana/dashboards/mshub.json", "sum by (role) (go_goroutines", "sum by (role (go_goroutines", "parse error"},
		"panel without unit":        {"dashboards", "observability/grafana/dashboards/mshub.json", `"unit": "ops"`, `"unit": ""`, "needs a description, a unit"},
		"fixed data source":         {"dashboards", "observability/grafana/dashboards/mshub.json", `"uid": "${prometheus}"`, `"uid": "prometheus"`, "must be a variable"},
		"alert without a page":      {"runbooks", "observability/prometheus/rules/house.yml", "alert: MshubLogLinesDropped", "alert: MshubLogLost", "MshubLogLost"},
		"untested alert":            {"runbooks", "observability/prometheus/tests/house.yml", "alertname: MshubLogLinesDropped", "alertname: Other", "once firing and once silent"},
		"route to another role":     {"routes", "deploy/compose/caddy/Caddyfile", "h2c://audit:8080", "h2c://notify:8080", "/services.audit.v1.AuditService goes to"},
		"inside at the edge":        {"routes", "deploy/k8s/base/ingress.yaml", "/authserver.v1.KeyService", "/authserver.v1.BootstrapService", "for other roles only: true"},
		"secret in double quotes":   {"jenkinsfile", "Jenkinsfile", "sh 'make push'", `sh "make push ${MSHUB_REGISTRY}"`, "is not 'make TARGET'"},
		"stage out of order":        {"jenkinsfile", "Jenkinsfile", "stage('Verify')", "stage('Check')", `stage 3 must be "Verify"`},
		"production without asking": {"jenkinsfile", "Jenkinsfile", "beforeInput true", "beforeInput false", "a person's consent"},
		"no way back":               {"jenkinsfile", "Jenkinsfile", "sh 'make rollback-prod'", "sh 'make deploy-prod'", "must roll back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(committed(t))
			raw, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.ReplaceAll(string(raw), c.from, c.to)
			if changed == string(raw) {
				t.Fatalf("%s does not contain %q", c.file, c.from)
			}
			if err := checks[c.check](nil); err != nil {
				t.Fatalf("%s before the change: %v", c.check, err)
			}
			if err := os.WriteFile(c.file, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := checks[c.check](nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s says %v, want a word on %q", c.check, err, c.want)
			}
		})
	}
}

// committed copies what the checks read.
func committed(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	list := exec.Command("git", "ls-files", "--", "docker-compose.yml", ".env.example", "Jenkinsfile", "Makefile", "deploy", "observability",
		"internal/temporal/devserver.go", "*.proto")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for _, path := range strings.Fields(string(out)) {
		raw, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(directory, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func TestManifestsFindFaults(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("needs kubectl to render the manifests")
	}
	rendered, err := exec.Command("kubectl", "kustomize", "../../deploy/k8s/overlays/prod").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"as committed":        {"", "", ""},
		"root":                {"runAsNonRoot: true", "runAsNonRoot: false", "a user that is not root"},
		"lost selector":       {"app.kubernetes.io/component: audit\n    app.kubernetes.io/name: mshub\n---", "app.kubernetes.io/name: mshub\n---", "must name the component"},
		"no such service":     {"name: mshub-live\n            port:", "name: mshub-love\n            port:", "mshub-love, which is not there"},
		"role twice":          {"        - notify\n", "        - audit\n", "role audit runs in 2"},
		"no memory limit":     {"            memory: 512Mi", "            other: 512Mi", "a limit for memory"},
		"min above max":       {"minReplicas: 2", "minReplicas: 20", "min must not exceed max"},
		"no denial":           {"name: mshub-deny", "name: mshub-allow", "denies by default"},
		"killed while drains": {"terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 5", "sooner than the product drains"},
	} {
		t.Run(name, func(t *testing.T) {
			text := string(rendered)
			if c.from != "" && !strings.Contains(text, c.from) {
				t.Fatalf("the manifests do not contain %q", c.from)
			}
			if c.from != "" {
				text = strings.ReplaceAll(text, c.from, c.to)
			}
			objects, err := decode([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			err = judge(objects)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the check says %v, want a word on %q", err, c.want)
			}
		})
	}
}
