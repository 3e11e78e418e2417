package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEnginesDie: an engine that is killed comes back, and the house with it, without anybody's help.
func TestEnginesDie(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	c := h.administrator("ada@example.com").api()
	for what, pattern := range map[string]string{"PostgreSQL": `^\S*postgres -D `, "Temporal": `^\S*temporal\S* server start-dev `} {
		pid := h.child(pattern)
		if pid == 0 {
			t.Fatalf("no %s runs", what)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		eventually(t, time.Minute, what+" runs again", func() bool {
			return h.child(pattern) != 0 && h.child(pattern) != pid
		})
		eventually(t, time.Minute, "ready after the death of "+what, func() bool {
			res, err := http.Get(h.url + "/readyz")
			return err == nil && res.StatusCode == http.StatusOK && body(t, res) != ""
		})
	}
	eventually(t, time.Minute, "the API answers", func() bool {
		status, _ := c.call(http.MethodGet, "/v1/runs", nil)
		return status == http.StatusOK
	})
}

// child finds the process of this house whose command line fits; 0 if there is none.
func (h *house) child(pattern string) int {
	fits := regexp.MustCompile(pattern)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		h.t.Skip("no /proc here: children can't be found")
	}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue
		}
		program, _, _ := strings.Cut(string(raw), "\x00")
		line := strings.ReplaceAll(string(raw), "\x00", " ")
		if pid, err := strconv.Atoi(e.Name()); err == nil && filepath.Base(program) != "mshub" && strings.Contains(line, h.data) && fits.MatchString(line) {
			return pid
		}
	}
	return 0
}

// TestUpSaysWhatIsWrong: a directory in use, a taken port, a setting that makes no sense: one clear sentence, exit 1.
func TestUpSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	for what, c := range map[string]struct {
		args, env []string
		want      string
	}{
		"directory in use": {[]string{"up", "--data", h.data, "--listen", "localhost:0"}, nil, h.url},
		"port taken":       {[]string{"up", "--data", filepath.Join(filepath.Dir(h.data), "other"), "--listen", strings.TrimPrefix(h.url, "http://")}, nil, "MSHUB_LISTEN"},
		"bad setting":      {[]string{"up", "--data", h.data}, []string{"MSHUB_LOG_LEVEL=loud"}, "MSHUB_LOG_LEVEL"},
	} {
		cmd := exec.Command(binary(t), c.args...)
		cmd.Env = append(append(os.Environ(), "MSHUB_OPS_LISTEN=127.0.0.1:0", "MSHUB_TEMPORAL_UI_LISTEN=127.0.0.1:0"), c.env...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) || strings.Contains(string(out), "goroutine ") {
			t.Errorf("%s: %v, no %q in:\n%s", what, err, c.want, out)
		}
	}
}
