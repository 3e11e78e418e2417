package workflows_test

import (
	"os"
	"slices"
	"testing"

	"github.com/microservicehub/mshub/workflows"
)

// folders that are no processes.
var kit = []string{"process", "schema"}

func TestEveryFolderIsListedAndSound(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, p := range workflows.All {
		listed = append(listed, p.Name)
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if name := folder.Name(); folder.IsDir() && !slices.Contains(kit, name) && !slices.Contains(listed, name) {
			t.Errorf("process %s is not listed in processes.go", name)
		}
	}
}
