package records_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/microservicehub/mshub/internal/auth"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func TestErasingAnAddressInRecords(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("customers", `{"key":["email"],"schema":{"type":"object","properties":{"email":{"type":"string","format":"email"},"city":{"type":"string"}}}}`)
		r.dataset("orders", `{"key":["number"],"schema":{"type":"object","properties":{
			"number":{"type":"integer"},"buyer":{"type":"string","format":"email"},"payer":{"type":"string","format":"email"},"note":{"type":"string"}}}}`)
		r.dataset("weather", `{"schema":{"type":"object","properties":{"note":{"type":"string"}}}}`)
		for dataset, texts := range map[string][]string{
			"customers": {`{"email":"Bob@example.com","city":"Oslo"}`, `{"email":"bob@example.com.au","city":"Perth"}`},
			"orders": {
				`{"number":1,"buyer":"bob@example.com","payer":"BOB@example.com","note":"to bob@example.com"}`,
				`{"number":2,"buyer":"eve@example.com"}`, `{"number":3,"payer":"bob@example.com"}`,
			},
			"weather": {`{"note":"bob@example.com"}`},
		} {
			for _, text := range texts {
				if _, err := r.CreateRecord(r.ctx, &recordsv1.CreateRecordRequest{Parent: "datasets/" + dataset, Record: &recordsv1.Record{Data: data(t, text)}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		imported := run(r.ctx)
		rows := "number,buyer\nx, Bob@Example.com \ny,bob@example.com.au\n"
		if _, err := r.importFile(imported, &recordsv1.PlanImportRequest{Dataset: "datasets/orders", SourceUrl: r.source([]byte(rows), "")}); err != nil {
			t.Fatal(err)
		}
		ctx := run(r.ctx)
		for _, step := range []struct {
			dry  bool
			want int64
		}{{true, 4}, {true, 4}, {false, 4}, {false, 0}} {
			got, err := r.EraseRecords(ctx, &recordsv1.EraseRecordsRequest{Email: "bob@example.com", DryRun: step.dry})
			if err != nil || got.GetRecords() != step.want || step.want > 0 && !slices.Equal(got.GetDatasets(), []string{"datasets/customers", "datasets/orders"}) {
				t.Errorf("dry %v: %v, %v", step.dry, got, err)
			}
		}
		rejects, err := r.ListRejects(r.ctx, &recordsv1.ListRejectsRequest{Parent: "imports/" + auth.From(imported).Run.String()})
		if err != nil || len(rejects.GetRejects()) != 2 {
			t.Fatalf("%v, %v", rejects, err)
		}
		if bob, other := rejects.GetRejects()[0], rejects.GetRejects()[1]; len(bob.GetCells()) != 0 || bob.GetFaults()[0].GetReason() == "" || other.GetCells()["buyer"] != "bob@example.com.au" {
			t.Errorf("what the import refused: %v", rejects)
		}
		list := func(dataset string) (all []string) {
			res, err := r.ListRecords(r.ctx, &recordsv1.ListRecordsRequest{Parent: "datasets/" + dataset})
			if err != nil {
				t.Fatal(err)
			}
			for _, record := range res.GetRecords() {
				f := record.GetData().GetFields()
				all = append(all, f["email"].GetStringValue()+f["buyer"].GetStringValue()+" "+f["payer"].GetStringValue()+f["city"].GetStringValue())
			}
			slices.Sort(all)
			return all
		}
		customers, orders := list("customers"), list("orders")
		if len(customers) != 2 || customers[0] != "bob@example.com.au Perth" || !strings.HasPrefix(customers[1], "erased-") || !strings.HasSuffix(customers[1], " Oslo") {
			t.Errorf("%v", customers)
		}
		pseudonym, _, _ := strings.Cut(customers[1], " ")
		if !slices.Equal(orders, []string{" " + pseudonym, pseudonym + " " + pseudonym, "eve@example.com "}) {
			t.Errorf("%v", orders)
		}
		// Where the key held the address, the record is found under the new one and can be written again.
		if n, err := r.CountRecords(r.ctx, &recordsv1.CountRecordsRequest{Parent: "datasets/customers", Filter: `email="` + pseudonym + `"`}); err != nil || n.GetCount() != 1 {
			t.Errorf("%v, %v", n, err)
		}
	})
}
