package filter

import (
	"strings"

	"github.com/microservicehub/mshub/internal/rpc"
)

// Order reads an `orderBy` of one column: `dep_delay`, `dep_delay desc`, `"Dep Time" asc`. An empty text gives name "".
func Order(text string, columns map[string]Column) (name string, descending bool, err error) {
	p := &parser{text: text}
	if p.space(); p.end() {
		return "", false, nil
	}
	name, _, err = p.word(nameEnds)
	if err != nil {
		return "", false, rpc.Invalid("orderBy", "a quote is never closed")
	}
	switch direction := strings.ToLower(strings.TrimSpace(text[p.pos:])); direction {
	case "", "asc":
	case "desc":
		descending = true
	default:
		return "", false, rpc.Invalid("orderBy", "write one column, then asc or desc; found %q", direction)
	}
	if c, ok := columns[name]; !ok || c.Type == TextArray {
		return "", false, rpc.Invalid("orderBy", "there is no column %q to sort by; there are %s", name, names(columns))
	}
	return name, descending, nil
}
