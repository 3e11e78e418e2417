package workflows_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/workflows"
	"github.com/microservicehub/mshub/workflows/process"
)

// TestExamplesAreInputs: what examples/processes/NAME.json holds is an input of the process NAME, by all its rules.
func TestExamplesAreInputs(t *testing.T) {
	t.Parallel()
	byName := map[string]process.Definition{}
	for _, p := range workflows.All {
		byName[p.Name] = p
	}
	examples, err := filepath.Glob("../examples/processes/*.json")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range examples {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		p, ok := byName[name]
		if !ok {
			t.Errorf("%s is of no process", file)
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		input := p.Input.ProtoReflect().New().Interface()
		if err := protojson.Unmarshal(raw, input); err != nil {
			t.Errorf("%s: %v", file, err)
		} else if err := protovalidate.Validate(input); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
