package identity

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/internal/auth"
)

// TestBuiltinRolesAreDocumented: the table of docs/permissions.md says of each permission which built-in roles have it.
// That it lists every permission is for the test beside the pages.
func TestBuiltinRolesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	var roles []string
	for _, role := range builtin {
		roles = append(roles, role.Slug)
	}
	rows := regexp.MustCompile("(?m)^\\| (?:permission|`([a-z]+\\.[a-z]+)`) \\| (.*) \\|$").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 2 {
		t.Fatal("the table is gone")
	}
	for i, row := range rows {
		cells := strings.Split(row[2], "|")[1:] // the first says what the permission allows
		for c := range cells {
			cells[c] = strings.TrimSpace(cells[c])
		}
		want := roles
		if i > 0 {
			want = make([]string, len(builtin))
			for r, role := range builtin {
				if (auth.Caller{Permissions: role.Permissions}).Has(row[1]) {
					want[r] = "yes"
				}
			}
		}
		if diff := cmp.Diff(want, cells); diff != "" {
			t.Errorf("%q: %s", row[1], diff)
		}
	}
}
