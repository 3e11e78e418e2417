package records_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
)

const citiesSchema = `{"title":"Cities","key":["country","name"],"schema":{"type":"object","required":["people"],"properties":{
	"country":{"type":"string"},"name":{"type":"string"},"people":{"type":"integer"},"area":{"type":["number","null"]},
	"capital":{"type":"boolean"},"founded":{"type":"string","format":"date"},"seen":{"type":"string","format":"date-time"}}}}`

func data(t testing.TB, text string) *structpb.Struct {
	t.Helper()
	s := &structpb.Struct{}
	if err := s.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *room) create(text string) (*recordsv1.Record, error) {
	return r.CreateRecord(r.ctx, &recordsv1.CreateRecordRequest{Parent: "datasets/cities", Record: &recordsv1.Record{Data: data(r.t, text)}})
}

func TestRecords(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		ctx := rpc.WithIdempotencyKey(r.ctx, "once")
		in := &recordsv1.CreateRecordRequest{Parent: "datasets/cities", Record: &recordsv1.Record{Data: data(t, `{"country":"NA","name":"Windhoek","people":431000,"seen":"2020-01-01T12:00:00+02:00"}`)}}
		made, err := r.CreateRecord(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := r.CreateRecord(ctx, in); err != nil || again.GetName() != made.GetName() {
			t.Errorf("the same idempotency key: %v, %v", again, err)
		}
		_, err = r.CreateRecord(r.ctx, in)
		refused(t, "the same key without one", err, connect.CodeAlreadyExists, "exists")
		if !slices.Equal(made.GetKey(), []string{"NA", "Windhoek"}) || made.GetData().GetFields()["seen"].GetStringValue() != "2020-01-01T10:00:00Z" {
			t.Errorf("got %v", made)
		}
		got, err := r.GetRecord(r.ctx, &recordsv1.GetRecordRequest{Name: made.GetName()})
		if err != nil || protojson.Format(got) != protojson.Format(made) {
			t.Errorf("got %v, %v; want %v", got, err, made)
		}

		update := func(text string, paths ...string) (*recordsv1.Record, error) {
			return r.UpdateRecord(r.ctx, &recordsv1.UpdateRecordRequest{
				Record: &recordsv1.Record{Name: made.GetName(), Data: data(t, text)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
			})
		}
		if got, err := update(`{"people":432000,"seen":null}`); err != nil || got.GetData().GetFields()["people"].GetNumberValue() != 432000 || got.GetData().GetFields()["seen"] != nil || got.GetKey()[1] != "Windhoek" {
			t.Errorf("update: %v, %v", got, err)
		}
		if got, err := update(`{"people":1,"area":2.5}`, "data.area"); err != nil || got.GetData().GetFields()["people"].GetNumberValue() != 432000 || got.GetData().GetFields()["area"].GetNumberValue() != 2.5 {
			t.Errorf("update with a mask: %v, %v", got, err)
		}
		_, err = update(`{"name":"Oslo"}`)
		refused(t, "changing the key", err, connect.CodeInvalidArgument, "record.data.name: is part of the key")
		_, err = update(`{"country":"NA","name":"Windhoek"}`, "data")
		refused(t, "replacing without what is required", err, connect.CodeInvalidArgument, "record.data.people: is required")
		_, err = update(`{}`, "name")
		refused(t, "another mask", err, connect.CodeInvalidArgument, "updateMask")

		if _, err := r.DeleteRecord(r.ctx, &recordsv1.DeleteRecordRequest{Name: made.GetName()}); err != nil {
			t.Fatal(err)
		}
		_, err = r.GetRecord(r.ctx, &recordsv1.GetRecordRequest{Name: made.GetName()})
		refused(t, "deleted", err, connect.CodeNotFound, "not found")
		_, err = update(`{"people":1}`)
		refused(t, "updating what is deleted", err, connect.CodeNotFound, "not found")
	})
}

func TestRecordsThatDoNotFit(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("cities", citiesSchema)
	for text, want := range map[string]string{
		`{}`: "record.data.country: is required (and 2 more)",
		`{"country":"X","name":"Y","people":"many"}`:                   "record.data.people: must be a whole number",
		`{"country":"X","name":"Y","people":1.5}`:                      "record.data.people: must be a whole number",
		`{"country":"X","name":"Y","people":9007199254740993}`:         "record.data.people: is beyond ±9007199254740991",
		`{"country":"X","name":"Y","people":1,"area":"1"}`:             "record.data.area: must be a number",
		`{"country":"X","name":"Y","people":1,"capital":"yes"}`:        "record.data.capital: must be true or false",
		`{"country":"X","name":"Y","people":1,"founded":"2013-02-30"}`: "record.data.founded: must be a date",
		`{"country":"X","name":"Y","people":1,"seen":"yesterday"}`:     "record.data.seen: must be a time",
		`{"country":1,"name":"Y","people":1}`:                          "record.data.country: must be text",
		`{"country":null,"name":"Y","people":1}`:                       "record.data.country: is required",
		`{"country":"X","name":"Y","people":1,"mayor":"Z"}`:            "record.data.mayor: there is no such column",
		`{"country":"X\u0000","name":"Y","people":1}`:                  "record.data.country: contains a zero byte",
		`{"country":"X","name":"Y","people":{"a":1}}`:                  "record.data.people: must be a whole number",
	} {
		_, err := r.create(text)
		refused(t, text, err, connect.CodeInvalidArgument, want)
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	for text, want := range map[string]string{
		`{}`: `dataset.schema.type: must be "object" (and 1 more)`,
		`{"schema":{"type":"object","properties":{}}}`:                                       "dataset.schema.properties: name 1 to 500 columns",
		`{"schema":{"type":"object","properties":{"a":{"type":"array"}}}}`:                   "dataset.schema.properties.a.type: use string",
		`{"schema":{"type":"object","properties":{"a":{"type":"string","format":"ipv4"}}}}`:  "dataset.schema.properties.a.format: use date",
		`{"schema":{"type":"object","properties":{"a":{"type":"integer","format":"date"}}}}`: "dataset.schema.properties.a.format",
		`{"schema":{"type":"object","properties":{"a":{"type":"string/date"}}}}`:             "dataset.schema.properties.a.type",
		`{"schema":{"type":"object","properties":{"a":{"type":"string","minLength":1}}}}`:    "dataset.schema.properties.a.minLength: is not supported",
		`{"schema":{"type":"object","properties":{"a":{"type":"string"}},"oneOf":[]}}`:       "dataset.schema.oneOf: is not supported",
		`{"schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["b"]}}`: `dataset.schema.required[0]: there is no column "b"`,
		`{"schema":{"type":"object","properties":{"a":{"type":"string"}},"required":"a"}}`:   "dataset.schema.required: must be a list",
		`{"schema":{"type":"object","properties":{"a":{"type":"string"}}},"key":["b"]}`:      `dataset.key[0]: there is no column "b"`,
		`{"schema":{"type":"object","properties":{" a":{"type":"string"}}}}`:                 "dataset.schema.properties. a: a column's name",
	} {
		in := &recordsv1.CreateDatasetRequest{DatasetId: "x", Dataset: &recordsv1.Dataset{}}
		if err := protojson.Unmarshal([]byte(text), in.GetDataset()); err != nil {
			t.Fatal(err)
		}
		_, err := r.CreateDataset(r.ctx, in)
		refused(t, text, err, connect.CodeInvalidArgument, want)
	}
}

func TestDatasets(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		made := r.dataset("cities", citiesSchema)
		r.dataset("airports", `{"schema":{"type":"object","properties":{"faa":{"type":"string"}}}}`)
		_, err := r.CreateDataset(r.ctx, &recordsv1.CreateDatasetRequest{DatasetId: "cities", Dataset: made})
		refused(t, "the same name", err, connect.CodeAlreadyExists, "datasets/cities exists")

		var names []string
		in := &recordsv1.ListDatasetsRequest{PageSize: 1}
		for {
			page, err := r.ListDatasets(r.ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range page.GetDatasets() {
				names = append(names, d.GetName())
			}
			if in.PageToken = page.GetNextPageToken(); in.GetPageToken() == "" {
				break
			}
		}
		if diff := cmp.Diff([]string{"datasets/airports", "datasets/cities"}, names); diff != "" {
			t.Error(diff)
		}

		if _, err := r.create(`{"country":"NA","name":"Windhoek","people":1}`); err != nil {
			t.Fatal(err)
		}
		change := func(f func(properties map[string]*structpb.Value)) error {
			next := data(t, string(mustJSON(t, made.GetSchema())))
			f(next.GetFields()["properties"].GetStructValue().GetFields())
			_, err := r.UpdateDataset(r.ctx, &recordsv1.UpdateDatasetRequest{Dataset: &recordsv1.Dataset{Name: "datasets/cities", Title: "Towns", Schema: next}})
			return err
		}
		column := func(text string) *structpb.Value { return structpb.NewStructValue(data(t, text)) }
		refused(t, "removing a column", change(func(p map[string]*structpb.Value) { delete(p, "area") }), connect.CodeInvalidArgument, "can't be removed")
		refused(t, "another type", change(func(p map[string]*structpb.Value) { p["area"] = column(`{"type":"string"}`) }), connect.CodeInvalidArgument, "its type can't change")
		if err := change(func(p map[string]*structpb.Value) { p["mayor"] = column(`{"type":"string"}`) }); err != nil {
			t.Error(err)
		}
		if got, err := r.GetDataset(r.ctx, &recordsv1.GetDatasetRequest{Name: "datasets/cities"}); err != nil || got.GetTitle() != "Towns" || got.GetSchema().GetFields()["properties"].GetStructValue().GetFields()["mayor"] == nil {
			t.Errorf("got %v, %v", got, err)
		}

		if _, err := r.DeleteDataset(r.ctx, &recordsv1.DeleteDatasetRequest{Name: "datasets/cities"}); err != nil {
			t.Fatal(err)
		}
		_, err = r.ListRecords(r.ctx, &recordsv1.ListRecordsRequest{Parent: "datasets/cities"})
		refused(t, "records of a deleted dataset", err, connect.CodeNotFound, `dataset "datasets/cities" not found`)
		r.dataset("cities", citiesSchema) // the name is free at once
		if n := r.count("datasets/cities", ""); n != 0 {
			t.Errorf("a new dataset has %d records of the old one", n)
		}
		if err := r.CleanUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func mustJSON(t *testing.T, s *structpb.Struct) []byte {
	t.Helper()
	text, err := s.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestPages(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		for i := range 7 {
			if _, err := r.create(fmt.Sprintf(`{"country":"X","name":"%d","people":%d,"seen":"2020-01-01T00:00:0%d.5Z"}`, i, i/2, i)); err != nil {
				t.Fatal(err)
			}
		}
		for order, want := range map[string]string{"": "0123456", "people desc, ": "", "people": "0123456", "people desc": "6452301", "seen desc": "6543210", "name": "0123456"} {
			in := &recordsv1.ListRecordsRequest{Parent: "datasets/cities", PageSize: 2, OrderBy: order, Filter: "people>=0"}
			var got strings.Builder
			for {
				page, err := r.ListRecords(r.ctx, in)
				if want == "" {
					refused(t, order, err, connect.CodeInvalidArgument, "orderBy")
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, record := range page.GetRecords() {
					got.WriteString(record.GetKey()[1])
				}
				if in.PageToken = page.GetNextPageToken(); in.GetPageToken() == "" {
					break
				}
			}
			have := []byte(got.String())
			if order == "" || strings.HasPrefix(order, "people") { // ties, and ids, are in no order that we could tell
				slices.Sort(have)
				w := []byte(want)
				slices.Sort(w)
				want = string(w)
			}
			if string(have) != want {
				t.Errorf("%q: %s, want %s", order, have, want)
			}
		}
		first, err := r.ListRecords(r.ctx, &recordsv1.ListRecordsRequest{Parent: "datasets/cities", PageSize: 1, OrderBy: "people"})
		if err != nil {
			t.Fatal(err)
		}
		for what, in := range map[string]*recordsv1.ListRecordsRequest{
			"garbage": {PageToken: "x"}, "another order": {PageToken: first.GetNextPageToken()}, "another filter": {PageToken: first.GetNextPageToken(), OrderBy: "people", Filter: "people=1"},
		} {
			in.Parent = "datasets/cities"
			_, err := r.ListRecords(r.ctx, in)
			refused(t, what, err, connect.CodeInvalidArgument, "pageToken")
		}
		_, err = r.CountRecords(r.ctx, &recordsv1.CountRecordsRequest{Parent: "datasets/cities", Filter: "mayor=1"})
		refused(t, "an unknown column", err, connect.CodeInvalidArgument, `there is no column "mayor"`)
	})
}

// Another organisation gets not_found for everything, over real HTTP with real tokens.
func TestAnotherOrganisation(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		made, err := r.create(`{"country":"NA","name":"Windhoek","people":1}`)
		if err != nil {
			t.Fatal(err)
		}
		issuer := testenv.Issuer(t)
		path, handler := recordsv1connect.NewRecordsServiceHandler(r.Service, issuer.Options()...)
		url := testenv.Serve(t, issuer, path, handler)
		client := func(c auth.Caller) recordsv1connect.RecordsServiceClient {
			return recordsv1connect.NewRecordsServiceClient(r.files.Client(), url, issuer.As(c))
		}
		their := client(auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: uuid.New(), Permissions: []string{"*"}})
		mine := client(auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: auth.From(r.ctx).Organisation, Permissions: []string{"records.read"}})
		ctx, name := t.Context(), made.GetName()
		record := &recordsv1.Record{Name: name, Data: made.GetData()}
		for method, call := range map[string]func(c recordsv1connect.RecordsServiceClient) error{
			"GetDataset": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.GetDataset(ctx, &recordsv1.GetDatasetRequest{Name: "datasets/cities"}))
			},
			"ListRecords": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.ListRecords(ctx, &recordsv1.ListRecordsRequest{Parent: "datasets/cities"}))
			},
			"CountRecords": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.CountRecords(ctx, &recordsv1.CountRecordsRequest{Parent: "datasets/cities"}))
			},
			"GetRecord": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.GetRecord(ctx, &recordsv1.GetRecordRequest{Name: name}))
			},
			"CreateRecord": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.CreateRecord(ctx, &recordsv1.CreateRecordRequest{Parent: "datasets/cities", Record: record}))
			},
			"UpdateRecord": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.UpdateRecord(ctx, &recordsv1.UpdateRecordRequest{Record: record}))
			},
			"DeleteRecord": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.DeleteRecord(ctx, &recordsv1.DeleteRecordRequest{Name: name}))
			},
			"UpdateDataset": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.UpdateDataset(ctx, &recordsv1.UpdateDatasetRequest{Dataset: &recordsv1.Dataset{Name: "datasets/cities", Title: "x"}}))
			},
			"DeleteDataset": func(c recordsv1connect.RecordsServiceClient) error {
				return second(c.DeleteDataset(ctx, &recordsv1.DeleteDatasetRequest{Name: "datasets/cities"}))
			},
		} {
			if err := call(their); connect.CodeOf(err) != connect.CodeNotFound {
				t.Errorf("%s of another organisation: %v, want not_found", method, err)
			}
			reads := strings.HasPrefix(method, "Get") || strings.HasPrefix(method, "List") || strings.HasPrefix(method, "Count")
			if err := call(mine); reads && err != nil || !reads && connect.CodeOf(err) != connect.CodePermissionDenied {
				t.Errorf("%s with the right to read: %v", method, err)
			}
		}
		if list, err := their.ListDatasets(ctx, &recordsv1.ListDatasetsRequest{}); err != nil || len(list.GetDatasets()) != 0 {
			t.Errorf("ListDatasets: %v, %v", list, err)
		}
		_, err = mine.PlanImport(ctx, &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: "http://x"})
		refused(t, "a person plans an import", err, connect.CodePermissionDenied, "only a service")
		theirRun := client(auth.Caller{Kind: auth.Run, Organisation: uuid.New(), Run: uuid.New(), Actor: "users/x"})
		_, err = theirRun.PlanImport(ctx, &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: "http://x"})
		refused(t, "a run of another organisation", err, connect.CodeNotFound, "datasets/cities")
		if n := r.count("datasets/cities", ""); n != 1 {
			t.Errorf("%d records, want the one", n)
		}
	})
}

func second[T any](_ T, err error) error { return err }
