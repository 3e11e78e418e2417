package mshub

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/workflows"
	"github.com/microservicehub/mshub/workflows/process"
)

// TestDocsLinks: every relative link and picture of a page leads to a file of the checkout, and from the README on links
// lead to every page of docs/.
func TestDocsLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced := regexp.MustCompile("(?ms)^```.*?^```")
	leads := map[string][]string{}
	for _, page := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""), -1) {
			target, _, _ := strings.Cut(match[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			target = filepath.Join(filepath.Dir(page), target)
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, target)
			}
			leads[page] = append(leads[page], target)
		}
	}
	reached := []string{"README.md"}
	for i := 0; i < len(reached); i++ {
		for _, target := range leads[reached[i]] {
			if !slices.Contains(reached, target) {
				reached = append(reached, target)
			}
		}
	}
	for _, page := range pages(t) {
		if strings.HasPrefix(page, "docs/") && !slices.Contains(reached, page) {
			t.Errorf("no link leads to %s", page)
		}
	}
}

// TestDocsPermissions: docs/permissions.md lists the permissions that methods ask for, and what each process that it names
// asks for beside. Which roles have them is compared by the room that has the roles.
func TestDocsPermissions(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/permissions.md")
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z]+)` \\| .* \\|$").FindAllStringSubmatch(page, -1) {
		listed = append(listed, row[1])
	}
	if diff := cmp.Diff(auth.Permissions(), listed); diff != "" {
		t.Errorf("docs/permissions.md lists other permissions than the doors: %s", diff)
	}
	named := 0
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| `([a-z.*]+)` \\|$").FindAllStringSubmatch(page, -1) {
		named++
		i := slices.IndexFunc(workflows.All, func(d process.Definition) bool { return d.Name == row[1] })
		if i < 0 || workflows.All[i].Permission != row[2] {
			t.Errorf("docs/permissions.md: there is no process %s that asks for %s", row[1], row[2])
		}
	}
	if named == 0 {
		t.Error("docs/permissions.md names no process")
	}
}

// pages are what people read: at the root, in docs/ and beside the figures.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"docs", "bench", "examples"} {
		err := filepath.WalkDir(folder, func(name string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(name, ".md") {
				found = append(found, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestDocsAddingAProcess does what docs/adding-a-process.md says, to the letter but in a directory beside the checkout:
// writes its files, generates the door, adds the lines, and builds and tests the result as an overlay of the module.
func TestDocsAddingAProcess(t *testing.T) {
	const page = "docs/adding-a-process.md"
	generators(t)
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	workshop(t, root, dir)
	hand := 0
	for _, block := range blocksOf(read(t, page)) {
		content := block.body
		if block.change {
			content = apply(t, page, read(t, filepath.Join(dir, block.path)), block.body)
		} else if !strings.HasSuffix(block.path, "_test.go") {
			hand += linesByHand(content)
		}
		write(t, filepath.Join(dir, block.path), content)
	}
	if hand == 0 || hand > 60 {
		t.Errorf("%s promises sixty lines by hand; there are %d", page, hand)
	}
	buf := filepath.Join(root, "tools/node_modules/.bin/buf")
	do(t, dir, buf, "lint")
	do(t, dir, buf, "generate", "--path", "workflows")
	do(t, dir, buf, "generate", "--template", "buf.gen.schema.yaml")
	overlay := overlayOf(t, root, dir)
	do(t, root, "go", "build", "-overlay", overlay, "./workflows/...", "./cmd/mshub")
	// Without vet, and built before it is run: both would enter a folder that only the overlay has.
	do(t, root, "go", "test", "-overlay", overlay, "-vet=off", "./workflows")
	program := filepath.Join(dir, "offboarding.test")
	do(t, root, "go", "test", "-overlay", overlay, "-vet=off", "-c", "-o", program, "./workflows/offboarding")
	do(t, dir, program)
	t.Chdir(dir)
	t.Run("walls", TestArchitectureWalls)
	t.Run("comments", TestArchitecturePackageComments)
	t.Run("list", TestArchitectureProcesses)
}

// workshop fills dir with what the generators read, and with the list of processes.
func workshop(t *testing.T, root, dir string) {
	t.Helper()
	for _, name := range []string{"buf.yaml", "buf.gen.yaml", "buf.gen.schema.yaml", "workflows/processes.go"} {
		write(t, filepath.Join(dir, name), read(t, name))
	}
	for _, folder := range []string{"internal/auth", "events", "services", "authserver", "workflows", "third_party"} {
		err := filepath.WalkDir(folder, func(name string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(name, ".proto") {
				write(t, filepath.Join(dir, name), read(t, name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, ".cache"), filepath.Join(dir, ".cache")); err != nil {
		t.Fatal(err)
	}
}

// block is a fenced part of a page that is a file, or a change of one.
type block struct {
	path   string
	change bool
	body   string
}

func blocksOf(page string) []block {
	pattern := regexp.MustCompile("(?ms)^<!-- (file|change): (\\S+) -->\n```[a-z]*\n(.*?)^```$")
	var found []block
	for _, m := range pattern.FindAllStringSubmatch(page, -1) {
		found = append(found, block{path: m[2], change: m[1] == "change", body: m[3]})
	}
	return found
}

// apply puts the lines that begin with + behind the line that stands before them. In the checkout of somebody who has
// followed the page they are there already.
func apply(t *testing.T, page, file, diff string) string {
	t.Helper()
	var before, added string
	for line := range strings.Lines(diff) {
		if rest, ok := strings.CutPrefix(line, "+"); ok {
			added += rest
		} else {
			before += line[1:]
		}
	}
	if added != "" && strings.Contains(file, added) {
		return file
	}
	if before == "" || strings.Count(file, before) != 1 {
		t.Fatalf("%s changes a file behind %q, which must stand there once", page, before)
	}
	return strings.Replace(file, before, before+added, 1)
}

// linesByHand leaves out what nobody has to think of: blank lines and comments.
func linesByHand(content string) int {
	n := 0
	for line := range strings.Lines(content) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

// overlayOf lays what is new or different in dir over the checkout; see `go help build`.
func overlayOf(t *testing.T, root, dir string) string {
	t.Helper()
	replace := map[string]string{}
	for _, pattern := range []string{"workflows/*.go", "workflows/schema/*.json", "workflows/*/*.go", "workflows/*/v1/*.go"} {
		matches, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, made := range matches {
			name, err := filepath.Rel(dir, made)
			if err != nil {
				t.Fatal(err)
			}
			if old, err := os.ReadFile(name); err != nil || string(old) != read(t, made) {
				replace[filepath.Join(root, name)] = made
			}
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	write(t, overlay, string(raw))
	return overlay
}

// generators builds the pinned generators that are missing, as `make tools` would.
func generators(t *testing.T) {
	t.Helper()
	missing := func(path string) bool { _, err := os.Stat(path); return err != nil }
	for name, source := range map[string]string{
		"protoc-gen-go":         "google.golang.org/protobuf/cmd/protoc-gen-go",
		"protoc-gen-connect-go": "connectrpc.com/connect/cmd/protoc-gen-connect-go",
		"protoc-gen-jsonschema": "github.com/bufbuild/protoschema-plugins/cmd/protoc-gen-jsonschema",
	} {
		if missing(filepath.Join(".cache/tools", name)) {
			do(t, "tools", "go", "build", "-o", "../.cache/tools/"+name, source)
		}
	}
	if missing("tools/node_modules/.bin/buf") {
		if _, err := exec.LookPath("npm"); err != nil && os.Getenv("CI") != "true" {
			t.Skip("npm is needed to fetch buf; install Node")
		}
		do(t, "tools", "npm", "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error")
	}
}

// do runs a command in dir; its output is told if it fails.
func do(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
