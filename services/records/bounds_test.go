package records_test

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// A small upload fills neither the disk nor the memory, nor the answer.
func TestSmallFilesStaySmall(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"], func(c *records.Config) { c.MaxRatio = 200 })
	r.dataset("cities", citiesSchema)
	long := "X," + strings.Repeat("x", 512<<10) + ",1,,,,\n"
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"blank lines": {zip(t, header+"X,a,1,,,,\n"+strings.Repeat("\n", 17<<20)), "more of the file is blank than not"},
		"well packed": {zip(t, header+strings.Repeat(long, 201)), "the gzip file inflates to more than 200 times its size"},
		"wide":        {zip(t, names(10_001)), "line 1 has 10001 columns; a file may have at most 2000, a dataset 500"},
		"rather wide": {zip(t, names(1_500)+strings.Repeat("1,", 1499)+"1\n"), "more; the first 100 are listed)"},
	} {
		in := &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: r.source(c.content, "")}
		_, err := r.PlanImport(run(r.ctx), in)
		refused(t, name, err, connect.CodeInvalidArgument, c.want)
		if n := len(rpc.FieldsOf(err)); n < 1 || n > 100 {
			t.Errorf("%s: %d wrong fields are listed", name, n)
		}
	}
	if left := r.left(); len(left) != 0 {
		t.Errorf("left in the scratch space: %v", left)
	}
	for name, format := range map[string]*recordsv1.Format{"header": nil, "no header": {NoHeader: true}} {
		_, err := r.ProposeSchema(r.ctx, &recordsv1.ProposeSchemaRequest{Sample: zip(t, names(10_001)), Format: format})
		refused(t, name, err, connect.CodeInvalidArgument, "sample: line 1 has 10001 columns")
	}
}

// names is a header of n columns.
func names(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("c", i)
	}
	return strings.Join(all, ",") + "\n"
}
