package records

import (
	"fmt"
	"strings"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/schema"
)

// mapping says which column of the dataset each column of the file fills.
type mapping []int

// mapHeader compares a file's columns with a dataset's. A column the dataset lacks is an error, not silently dropped data;
// so is a required column, or one of the key, that the file lacks.
func mapHeader(s *schema.Schema, header []string) (mapping, error) {
	var faults []rpc.Violation
	fail := func(format string, args ...any) {
		faults = append(faults, rpc.Violation{Field: "file", Description: fmt.Sprintf(format, args...)})
	}
	m, seen := make(mapping, len(header)), make(map[string]int, len(header))
	for i, name := range header {
		if first, ok := seen[name]; ok {
			fail("the header names the column %q twice (%d and %d)", name, first+1, i+1)
			continue
		}
		seen[name] = i
		m[i] = s.Index(name)
		switch {
		case name == "":
			fail("column %d has no name in the header", i+1)
		case m[i] < 0:
			fail("the dataset has no column %q; add it to the dataset or remove it from the file", name)
		}
	}
	for i, c := range s.Columns {
		if _, ok := seen[c.Name]; ok || !c.Required {
			continue
		}
		what := "required"
		for _, k := range s.KeyColumns {
			if k == i {
				what = "part of the key"
			}
		}
		fail("the column %q is missing in the header; it is %s", c.Name, what)
	}
	if len(faults) > 0 {
		return nil, rpc.InvalidFields(faults...)
	}
	return m, nil
}

// headerOf copies a header out of the read buffer.
func headerOf(fields [][]byte) []string {
	header := make([]string, len(fields))
	for i, f := range fields {
		header[i] = strings.TrimSpace(string(f))
	}
	return header
}

// keyFields are the file's columns that hold the key, in the key's order.
func (m mapping) keyFields(s *schema.Schema) []int {
	fields := make([]int, 0, len(s.KeyColumns))
	for _, k := range s.KeyColumns {
		for i, column := range m {
			if column == k {
				fields = append(fields, i)
			}
		}
	}
	return fields
}
