package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestConsole lets Chromium sign in, import a file and watch it finish, invite and decide; MSHUB_IMAGES=docs/images keeps
// the pictures for the README.
func TestConsole(t *testing.T) {
	t.Parallel()
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		chromium = "/usr/bin/chromium"
	}
	if _, err := os.Stat(chromium); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: tools/setup.sh installs it", chromium)
		}
		t.Skipf("%s is missing: tools/setup.sh installs it", chromium)
	}
	file, err := filepath.Abs(flights)
	if err != nil {
		t.Fatal(err)
	}
	images := os.Getenv("MSHUB_IMAGES")
	if images == "" {
		images = t.TempDir()
	}
	if images, err = filepath.Abs(images); err != nil {
		t.Fatal(err)
	}
	h := fresh(t)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "browser/house.mjs")
	cmd.Dir = "../../../webui"
	cmd.Env = append(os.Environ(), "MSHUB_URL="+h.url, "MSHUB_LINK="+h.link, "MSHUB_FILE="+file, "MSHUB_IMAGES="+images, "CHROMIUM="+chromium)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the console in a browser: %v\n%s", err, out)
	}
}
