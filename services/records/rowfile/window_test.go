package rowfile

import (
	"strings"
	"testing"
)

// Emptiness costs its sender nothing when it is packed: there may be only so much of it.
func TestBlank(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format        Format
		before, after string
	}{
		"csv":                {Format{Comma: ',', Quote: '"'}, "a,b\n", ""},
		"one object a line":  {Format{Kind: NDJSONFile, Columns: []string{"a"}}, "{\"a\":1}\n", ""},
		"an array":           {Format{Kind: JSONFile, Columns: []string{"a"}}, "[{\"a\":1},", "{\"a\":2}]"},
		"an array's trailer": {Format{Kind: JSONFile, Columns: []string{"a"}}, "[{\"a\":1}]", ""},
	} {
		for blank, want := range map[int]string{maxBlank / 16: "", maxBlank + 100: "more of the file is blank than not"} {
			rows := c.format.Whole(strings.NewReader(c.before + strings.Repeat("\n", blank) + c.after))
			n := 0
			for rows.Scan() {
				n++
			}
			if err := rows.Err(); n == 0 || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %d blank: %d records, %v", name, blank, n, err)
			}
		}
	}
}
