package events_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/microservicehub/mshub/events"
)

// A kind that a service publishes is one that webhooks can ask for.
func TestServicesPublishListedFacts(t *testing.T) {
	t.Parallel()
	kind := regexp.MustCompile(`fact[A-Z]\w*\s*=\s*"([a-z]+\.[a-z_]+\.[a-z_]+)"`)
	published := 0
	err := filepath.WalkDir("../services", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range kind.FindAllStringSubmatch(string(source), -1) {
			published++
			if !slices.Contains(events.FactKinds(), found[1]) {
				t.Errorf("%s publishes %q, which is not in factkinds.go", path, found[1])
			}
		}
		return err
	})
	if err != nil || published == 0 {
		t.Errorf("%d kinds of facts found, %v", published, err)
	}
}
