// Package mshub holds no code: this test at the root keeps the walls of the house, so that they stand even where no
// linter is installed. A newcomer reads the table `walls` to know what a line may touch.
package mshub

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/internal/auth"
	_ "github.com/microservicehub/mshub/services/audit/v1"
	_ "github.com/microservicehub/mshub/services/files/v1"
	_ "github.com/microservicehub/mshub/services/identity/v1"
	_ "github.com/microservicehub/mshub/services/notify/v1"
	_ "github.com/microservicehub/mshub/services/records/v1"
	_ "github.com/microservicehub/mshub/services/runs/v1"
)

const module = "github.com/microservicehub/mshub/"

// wall says what a room's non-test files may import. Patterns are folders: "x/**" is x and all below it, "*" one
// element; "$" stands for the room's own name. Packages from outside the module are allowed but for those in never.
type wall struct {
	room  string
	may   []string
	never []string
	why   string
}

// The first wall whose room matches a package counts.
var walls = []wall{
	{"internal/auth/v1", nil, nil, "a door is a contract: protobuf and nothing else"},
	{"**/v1", []string{"**/v1"}, nil, "a door is a contract: other doors, protobuf, and nothing else"},
	{"**/v1/*", []string{"**/v1"}, nil, "generated clients and handlers"},
	{"internal/testenv", []string{"internal/**"}, nil, "real engines for tests; never part of the product"},
	{"internal/**", []string{"internal/**"}, []string{"testing"}, "plumbing knows no business words and no room"},
	{"services/runs", []string{"services/runs/**", "internal/**", "events/**", "workflows/process/**"}, nil,
		"the one service that speaks to Temporal; it knows processes as data"},
	{"services/records/store", []string{"services/records/schema", "internal/**"}, temporalSDK, "two homes of documents that are read by their dataset's schema"},
	{"services/*/store", []string{"services/$/v1", "internal/**"}, temporalSDK, "a store is SQL and nothing else"},
	{"services/*/**", []string{"services/$/**", "internal/**", "events/**"}, temporalSDK,
		"services never know each other; only workflows know them"},
	{"activities", []string{"internal/rpc", "internal/temporal", "internal/auth"}, drivers, "the table of errors, and in whose name and under which key all activities call"},
	{"activities/*", []string{"services/$/v1/**", "internal/rpc"}, drivers, "the only way a workflow reaches a service: a verb is one call"},
	{"workflows", []string{"workflows/**"}, drivers, "the list of processes, one line each"},
	{"workflows/process", []string{"internal/temporal", "services/runs/v1", "events/v1", "workflows/process/**", "activities/runs"}, drivers, "the kit: a leaf that processes stand on"},
	{"workflows/process/processtest", []string{"internal/temporal", "services/runs/v1", "workflows/process"}, nil, "how processes are tested; nothing of the product imports it"},
	{"workflows/*", []string{"**/v1", "workflows/process", "activities/*"}, slices.Concat(drivers, nondeterministic),
		"one folder = one process; deterministic; another process only by its door"},
	{"authserver/**", []string{"authserver/**", "services/identity/v1/**", "services/notify/v1/**", "internal/**"}, temporalSDK,
		"the authorization server asks identity who people are and notify to write to them"},
	{"events/**", []string{"events/**", "internal/**"}, nil, "the journal and its feed know no room"},
	{"gateway/**", []string{"gateway/**", "**/v1/**", "internal/**"}, slices.Concat(drivers, temporalSDK), "translates protocols; decides nothing"},
	{"observability/**", []string{"observability/**"}, nil, "telemetry knows no room; rooms are handed a logger and interceptors"},
	{"webui", nil, nil, "the console's files"},
	{"cmd/mshub/**", []string{"**"}, nil, "the only place that imports every room"},
	{"bench/**", []string{"**"}, nil, "measures the whole house"},
	{"tools/**", nil, nil, "not part of the product"},
}

var (
	temporalSDK = []string{"go.temporal.io/sdk"}
	drivers     = []string{"github.com/jackc/pgx", "github.com/redis/go-redis", "go.mongodb.org/mongo-driver", "database/sql"}
	// What would make a replay differ from the first run.
	nondeterministic = []string{"net", "net/http", "os", "os/exec", "math/rand", "math/rand/v2", "crypto/rand", "sync"}
)

// TestArchitectureWalls checks the direct imports of every package against the table.
func TestArchitectureWalls(t *testing.T) {
	for dir, files := range packages(t) {
		w, own := wallOf(dir)
		if w == nil {
			t.Errorf("%s: no wall in architecture_test.go says what this folder is; add a line with a reason", dir)
			continue
		}
		for name, file := range files {
			for _, spec := range file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if local, ok := strings.CutPrefix(imported, module); ok {
					if !w.allows(local, own) {
						t.Errorf("%s imports %s: %s may import %v (%s)", name, local, w.room, w.may, w.why)
					}
					continue
				}
				for _, forbidden := range w.never {
					if imported == forbidden || strings.HasPrefix(imported, forbidden+"/") {
						t.Errorf("%s imports %s: forbidden in %s (%s)", name, imported, w.room, w.why)
					}
				}
			}
			if strings.HasPrefix(dir, "workflows/") && dir != "workflows/process" && !isDoor(dir) {
				deterministic(t, name, file)
			}
		}
	}
}

// TestArchitectureNobodyImports guards the two that must stay leaves.
func TestArchitectureNobodyImports(t *testing.T) {
	for dir, files := range packages(t) {
		for name, file := range files {
			for _, spec := range file.Imports {
				local, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
				switch {
				case !ok:
				case strings.HasPrefix(local, "cmd/") && !strings.HasPrefix(dir, "cmd/"):
					t.Errorf("%s imports %s: nobody imports the command", name, local)
				case strings.HasPrefix(local, "authserver") && !isDoor(local) && !strings.HasPrefix(dir, "authserver") && !strings.HasPrefix(dir, "cmd/") && !strings.HasPrefix(dir, "bench"):
					t.Errorf("%s imports %s: others verify tokens through internal/auth", name, local)
				case local == "internal/testenv":
					t.Errorf("%s imports %s: for tests only", name, local)
				}
			}
		}
	}
}

// TestArchitecturePackageComments wants exactly one package comment a folder: it reads as the folder's map.
func TestArchitecturePackageComments(t *testing.T) {
	for dir, files := range packages(t) {
		if isDoor(dir) {
			continue // the comment of a door is in its .proto
		}
		commented := 0
		for _, file := range files {
			if file.Doc != nil && !strings.Contains(file.Doc.Text(), "DO NOT EDIT") {
				commented++
			}
		}
		if commented != 1 {
			t.Errorf("%s: %d files have a package comment; exactly one must", dir, commented)
		}
	}
}

// TestArchitectureFileLength keeps files to one concept.
func TestArchitectureFileLength(t *testing.T) {
	const most = 450
	for _, files := range packages(t) {
		for name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(raw), "\n"); n > most && !strings.Contains(string(raw[:min(len(raw), 300)]), "DO NOT EDIT") {
				t.Errorf("%s has %d lines; a file is one concept, at most %d", name, n, most)
			}
		}
	}
}

// TestArchitectureProcesses: a folder of workflows/ that is not in the list would never run.
func TestArchitectureProcesses(t *testing.T) {
	list, err := os.ReadFile("workflows/processes.go")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("workflows")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "process" && e.Name() != "schema" && !strings.Contains(string(list), e.Name()+".Process") {
			t.Errorf("workflows/%s is not in workflows/processes.go", e.Name())
		}
	}
}

// TestArchitectureRules: every method of every door says who may call it, in exactly one way.
func TestArchitectureRules(t *testing.T) {
	scope := regexp.MustCompile(`^(identity|runs|records|files|notify|audit|clients):(read|write)$`)
	methods := 0
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(file.Package()), "services.") && !strings.HasPrefix(string(file.Package()), "authserver.") {
			return true
		}
		for i := range file.Services().Len() {
			for j := range file.Services().Get(i).Methods().Len() {
				method := file.Services().Get(i).Methods().Get(j)
				methods++
				rule := auth.RuleOf(method)
				ways := 0
				for _, way := range []bool{rule.GetPublic(), rule.GetAuthenticated(), rule.GetPermission() != "", rule.GetService() != ""} {
					if way {
						ways++
					}
				}
				if ways != 1 {
					t.Errorf("%s: set exactly one of public, authenticated, permission, service in its rule", method.FullName())
				}
				if rule.GetPermission() != "" && (!scope.MatchString(rule.GetScope()) || auth.ScopeOf(rule.GetPermission()) != rule.GetScope()) {
					t.Errorf("%s: permission %q goes with scope %q, not %q", method.FullName(), rule.GetPermission(), auth.ScopeOf(rule.GetPermission()), rule.GetScope())
				}
			}
		}
		return true
	})
	if methods < 50 {
		t.Fatalf("only %d methods found: the doors are not linked", methods)
	}
}

func (w *wall) allows(local, own string) bool {
	return slices.ContainsFunc(w.may, func(pattern string) bool {
		return matches(strings.ReplaceAll(pattern, "$", own), local)
	})
}

// wallOf finds the wall of a folder and the room's own name (the second element of its path).
func wallOf(dir string) (*wall, string) {
	own := ""
	if parts := strings.Split(dir, "/"); len(parts) > 1 {
		own = parts[1]
	}
	for i := range walls {
		if matches(walls[i].room, dir) {
			return &walls[i], own
		}
	}
	return nil, own
}

// matches knows "*" (one element) and "**" (any number of elements, at either end).
func matches(pattern, name string) bool {
	if rest, ok := strings.CutPrefix(pattern, "**/"); ok {
		for i := range len(name) {
			if (i == 0 || name[i-1] == '/') && matches(rest, name[i:]) {
				return true
			}
		}
		return false
	}
	if pattern == "**" {
		return true
	}
	if rest, ok := strings.CutSuffix(pattern, "/**"); ok {
		parts, want := strings.Split(name, "/"), len(strings.Split(rest, "/"))
		if len(parts) < want {
			return false
		}
		return matches(rest, strings.Join(parts[:want], "/"))
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

func isDoor(dir string) bool { return strings.HasSuffix(dir, "/v1") || strings.Contains(dir, "/v1/") }

// deterministic refuses what the import table can't see: the clock and goroutines.
func deterministic(t *testing.T, name string, file *ast.File) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s starts a goroutine: use workflow.Go", name)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Sleep", "After", "NewTimer"}, n.Sel.Name) {
				t.Errorf("%s uses time.%s: use the workflow's clock", name, n.Sel.Name)
			}
		}
		return true
	})
}

// packages parses the non-test files of every folder, by folder.
func packages(t *testing.T) map[string]map[string]*ast.File {
	t.Helper()
	found := map[string]map[string]*ast.File{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata" || base == "bin") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != "." {
				return filepath.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if found[dir] == nil {
			found[dir] = map[string]*ast.File{}
		}
		found[dir][name] = file
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
