package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestReadme runs the commands of the README as they stand there, in a shell at the root of the checkout.
func TestReadme(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)<!-- test: commands -->\n```\n(.*?)```").FindAllStringSubmatch(string(raw), -1)
	if len(blocks) == 0 {
		t.Fatal("no commands to test in README.md")
	}
	h := fresh(t)
	h.administrator("ada@example.com")
	for _, block := range blocks {
		cmd := exec.Command("bash", "-eu", "-o", "pipefail", "-c", block[1])
		cmd.Dir = "../../.."
		cmd.Env = append(os.Environ(), "MSHUB_URL="+h.url, "MSHUB_DATA="+h.data)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{"completed", `"carrier":"UA"`} {
			if !strings.Contains(strings.ToLower(strings.ReplaceAll(string(out), " ", "")), strings.ToLower(want)) {
				t.Errorf("no %s in\n%s", want, out)
			}
		}
	}
}
