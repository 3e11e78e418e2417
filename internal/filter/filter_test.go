package filter_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/rpc"
)

var columns = map[string]filter.Column{
	"state":     {Type: filter.Text, SQL: "r.state", BSON: "state", Convert: state},
	"title":     {Type: filter.Text, SQL: "r.title", BSON: "title"},
	"n":         {Type: filter.Integer, SQL: "r.n", BSON: "n"},
	"open":      {Type: filter.Boolean, SQL: "r.open", BSON: "open"},
	"at":        {Type: filter.Time, SQL: "r.at", BSON: "at"},
	"labels":    {Type: filter.TextArray, SQL: "r.labels", BSON: "labels"},
	"dep_delay": filter.JSON("d.data", "dep_delay", filter.Number),
	"it's":      filter.JSON("d.data", "it's", filter.Text),
	"day":       filter.JSON("d.data", "day", filter.Date),
}

func state(text string) (any, error) {
	if text != "RUNNING" {
		return nil, fmt.Errorf("use RUNNING")
	}
	return strings.ToLower(text), nil
}

func TestSQL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, where string
		args          []any
	}{
		{``, `true`, nil},
		{`  `, `true`, nil},
		{`state="RUNNING"`, `r.state = $3`, []any{"running"}},
		{`state = RUNNING`, `r.state = $3`, []any{"running"}},
		{`title='a "b" \'c\''`, `r.title = $3`, []any{`a "b" 'c'`}},
		{`title != x AND n>=-5`, `(r.title IS DISTINCT FROM $3 AND r.n >= $4)`, []any{"x", int64(-5)}},
		{`n=1 AND n=2 OR n=3`, `(r.n = $3 AND (r.n = $4 OR r.n = $5))`, []any{int64(1), int64(2), int64(3)}},
		{`(n=1 AND n=2) OR n=3`, `((r.n = $3 AND r.n = $4) OR r.n = $5)`, []any{int64(1), int64(2), int64(3)}},
		{`NOT (open = true)`, `((r.open = $3) IS NOT TRUE)`, []any{true}},
		{`-open=false`, `((r.open = $3) IS NOT TRUE)`, []any{false}},
		{`NOT NOT n=1`, `((((r.n = $3) IS NOT TRUE)) IS NOT TRUE)`, []any{int64(1)}},
		{`n = null`, `r.n IS NULL`, nil},
		{`n != null`, `r.n IS NOT NULL`, nil},
		{`n:*`, `r.n IS NOT NULL`, nil},
		{`title = "null"`, `r.title = $3`, []any{"null"}},
		{`title:"50%_\\"`, `r.title ILIKE $3`, []any{`%50\%\_\\%`}},
		{`labels:vip`, `$3 = ANY (r.labels)`, []any{"vip"}},
		{`at >= 2013-01-01T10:00:00+02:00`, `r.at >= $3`, []any{time.Date(2013, 1, 1, 8, 0, 0, 0, time.UTC)}},
		{`at < 2013-01-01`, `r.at < $3`, []any{time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{`dep_delay>60`, `(d.data->>'dep_delay')::numeric > $3`, []any{int64(60)}},
		{`dep_delay>-0.5`, `(d.data->>'dep_delay')::numeric > $3`, []any{-0.5}},
		{`"it's" = O`, `(d.data->>'it''s') COLLATE "C" = $3`, []any{"O"}},
		{`day=2013-01-31`, `(d.data->>'day') COLLATE "C" = $3`, []any{"2013-01-31"}},
	} {
		e, err := filter.Parse(c.filter)
		if err != nil {
			t.Errorf("%s: %v", c.filter, err)
			continue
		}
		where, args, err := filter.SQL(e, columns, 3)
		if err != nil || where != c.where {
			t.Errorf("%s:\n got %s (%v)\nwant %s", c.filter, where, err, c.where)
		}
		if diff := cmp.Diff(c.args, args); diff != "" {
			t.Errorf("%s: %s", c.filter, diff)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ filter, want string }{
		{`n`, `at character 2: expected one of = != < <= > >= : after "n", found the end`},
		{`n=`, `at character 3: expected a value after =, found the end`},
		{`n=1 m=2`, `at character 5: expected AND, OR or the end, found m`},
		{`n=1 and n=2`, `at character 5: expected AND, OR or the end, found a`},
		{`(n=1`, `at character 1: this parenthesis is never closed`},
		{`n=1)`, `at character 4: expected AND, OR or the end, found )`},
		{`title="x`, `at character 7: this quote is never closed`},
		{`AND n=1`, `at character 1: expected a column's name, found AND`},
		{`n=1 AND`, `at character 8: expected a column's name, found the end`},
		{`größe=1`, `at character 1: there is no column "größe"; there are at, day`},
		{`title=ä AND x=1`, `at character 13: there is no column "x"`},
		{`n=many`, `at character 3: n is compared with a whole number, not "many"`},
		{`dep_delay=NaN`, `dep_delay is compared with a number, not "NaN"`},
		{`open>true`, `open is true or false`},
		{`open=1`, `compared with true or false, not "1"`},
		{`at=yesterday`, `a time such as 2013-01-31T10:00:00Z`},
		{`day=2013-02-31`, `a date such as 2013-01-31`},
		{`n:5`, "`:` looks into text"},
		{`labels=x`, `use labels:value`},
		{`state="DANCING"`, `"DANCING" is no value of state: use RUNNING`},
		{`n<null`, `null is compared with = or != only`},
		{"title=\"\x00\"", `zero bytes`},
		{"title=\xff", `UTF-8`},
		{strings.Repeat("(", 40) + "n=1", `nested too deeply`},
		{strings.Repeat("n=1 OR ", 300) + "n=1", `too many comparisons`},
		{strings.Repeat("x", 5000), `at most 4000`},
	} {
		e, err := filter.Parse(c.filter)
		if err == nil {
			_, _, err = filter.SQL(e, columns, 1)
		}
		if err == nil || !strings.Contains(rpc.Message(err), c.want) {
			t.Errorf("%.40s:\n got %v\nwant %s", c.filter, err, c.want)
			continue
		}
		if diff := cmp.Diff([]string{"filter"}, rpc.FieldsOf(err)); diff != "" {
			t.Errorf("%s: %s", c.filter, diff)
		}
	}
}

func TestBSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter string
		want   bson.D
	}{
		{``, bson.D{}},
		{`n>1`, bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: int64(1)}}}}},
		{`n=null`, bson.D{{Key: "n", Value: bson.D{{Key: "$eq", Value: nil}}}}},
		{`NOT title:"a.b"`, bson.D{{Key: "$nor", Value: bson.A{
			bson.D{{Key: "title", Value: bson.D{{Key: "$regex", Value: bson.Regex{Pattern: `a\.b`, Options: "i"}}}}},
		}}}},
		{`at>=2013-01-01T10:00:00.500Z`, bson.D{{Key: "at", Value: bson.D{{Key: "$gte", Value: "2013-01-01T10:00:00.5"}}}}},
	} {
		e, err := filter.Parse(c.filter)
		if err != nil {
			t.Fatal(err)
		}
		got, err := filter.BSON(e, columns)
		if err != nil {
			t.Errorf("%s: %v", c.filter, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.filter, diff)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, name string
		descending bool
	}{
		{"", "", false}, {"n", "n", false}, {" n  DESC ", "n", true}, {`"it's" asc`, "it's", false},
	} {
		name, descending, err := filter.Order(c.text, columns)
		if err != nil || name != c.name || descending != c.descending {
			t.Errorf("%q: got %q, %v, %v", c.text, name, descending, err)
		}
	}
	for _, bad := range []string{"x", "n down", "n, title", "labels", `"n`, "n desc; drop"} {
		if _, _, err := filter.Order(bad, columns); err == nil || rpc.FieldsOf(err)[0] != "orderBy" {
			t.Errorf("%q: got %v, want an error on orderBy", bad, err)
		}
	}
}

var placeholder = regexp.MustCompile(`\$\d+`)

// No text makes the parser panic, an argument go missing, or a literal slip into the SQL.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`n=1 AND (title:"x" OR NOT open=true)`, `-n>=-1.5e3`, `at<2013-01-01T10:00:00Z`, `title='\''`, `"it's"!=null`, `((n:*))`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := filter.Parse(text)
		if err != nil {
			if rpc.FieldsOf(err)[0] != "filter" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		where, args, err := filter.SQL(e, columns, 1)
		if err != nil {
			return
		}
		if n := len(placeholder.FindAllString(where, -1)); n != len(args) {
			t.Fatalf("%q: %d placeholders, %d arguments: %s", text, n, len(args), where)
		}
		if _, err := filter.BSON(e, columns); err != nil {
			t.Fatalf("%q compiles to SQL but not to BSON: %v", text, err)
		}
	})
}
