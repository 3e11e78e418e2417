package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// JSON is the column `name` of a JSONB document (document is an SQL expression such as "d.data"). The name may be any
// text: it is quoted.
func JSON(document, name string, t Type) Column {
	text := fmt.Sprintf("%s->>%s", document, Quote(name))
	switch t {
	case Integer, Number:
		return Column{Type: t, SQL: "(" + text + ")::numeric"}
	case Boolean:
		return Column{Type: t, SQL: "(" + text + ")::boolean"}
	case Time:
		return Column{Type: t, SQL: "(" + text + ")::timestamptz"}
	}
	return Column{Type: t, SQL: "(" + text + `) COLLATE "C"`}
}

// Quote makes an SQL string literal of any text without zero bytes.
func Quote(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// SQL compiles a filter to a condition for WHERE. Literals travel as arguments, numbered from firstArg; a nil expression
// gives "true". A field that is not among columns is an error that names those that are.
func SQL(e Expr, columns map[string]Column, firstArg int) (where string, args []any, err error) {
	c := &sqlCompiler{columns: columns, next: firstArg}
	if e == nil {
		return "true", nil, nil
	}
	if err := c.expr(e); err != nil {
		return "", nil, err
	}
	return c.out.String(), c.args, nil
}

type sqlCompiler struct {
	columns map[string]Column
	next    int
	out     strings.Builder
	args    []any
}

func (c *sqlCompiler) expr(e Expr) error {
	switch e := e.(type) {
	case And:
		return c.join(e, " AND ")
	case Or:
		return c.join(e, " OR ")
	case Not:
		c.out.WriteString("((")
		if err := c.expr(e.Expr); err != nil {
			return err
		}
		c.out.WriteString(") IS NOT TRUE)")
		return nil
	case Compare:
		return c.compare(e)
	}
	return fmt.Errorf("filter: unknown expression %T", e)
}

func (c *sqlCompiler) join(parts []Expr, word string) error {
	c.out.WriteByte('(')
	for i, part := range parts {
		if i > 0 {
			c.out.WriteString(word)
		}
		if err := c.expr(part); err != nil {
			return err
		}
	}
	c.out.WriteByte(')')
	return nil
}

func (c *sqlCompiler) compare(cmp Compare) error {
	column, err := resolve(c.columns, cmp)
	if err != nil {
		return err
	}
	switch {
	case cmp.Value.Null() && cmp.Op == "=":
		c.out.WriteString(column.SQL + " IS NULL")
		return nil
	case cmp.Value.Null() || has(cmp):
		c.out.WriteString(column.SQL + " IS NOT NULL")
		return nil
	}
	value, err := column.literal(cmp)
	if err != nil {
		return err
	}
	switch {
	case cmp.Op == ":" && column.Type == TextArray:
		fmt.Fprintf(&c.out, "%s = ANY (%s)", c.arg(value), column.SQL)
	case cmp.Op == ":":
		fmt.Fprintf(&c.out, `%s ILIKE %s`, column.SQL, c.arg("%"+escapeLike.Replace(cmp.Value.Text)+"%"))
	case cmp.Op == "!=":
		fmt.Fprintf(&c.out, "%s IS DISTINCT FROM %s", column.SQL, c.arg(value))
	default:
		fmt.Fprintf(&c.out, "%s %s %s", column.SQL, cmp.Op, c.arg(value))
	}
	return nil
}

func (c *sqlCompiler) arg(value any) string {
	c.args = append(c.args, value)
	c.next++
	return fmt.Sprintf("$%d", c.next-1)
}

var escapeLike = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// resolve finds the column that a comparison names.
func resolve(columns map[string]Column, cmp Compare) (Column, error) {
	column, ok := columns[cmp.Field]
	if !ok {
		return Column{}, failAt(cmp.At, "there is no column %q; there are %s", cmp.Field, names(columns))
	}
	return column, column.allows(cmp)
}

func names(columns map[string]Column) string {
	all := slices.Sorted(maps.Keys(columns))
	if len(all) > 40 {
		all = append(all[:40], "…")
	}
	return strings.Join(all, ", ")
}
