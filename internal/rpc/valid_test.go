package rpc_test

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/files/v1"
	"github.com/microservicehub/mshub/services/files/v1/filesv1connect"
	"github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/runs/v1"
)

func violations(t *testing.T, err error) (all []string) {
	t.Helper()
	var refused *connect.Error
	if !errors.As(err, &refused) || refused.Code() != connect.CodeInvalidArgument || rpc.ReasonOf(err) != "INVALID_FIELD" {
		t.Fatalf("%v, reason %q", err, rpc.ReasonOf(err))
	}
	for _, detail := range refused.Details() {
		value, err := detail.Value()
		if err != nil {
			t.Fatal(err)
		}
		switch value := value.(type) {
		case *errdetails.BadRequest:
			for _, v := range value.GetFieldViolations() {
				all = append(all, v.GetField()+": "+v.GetDescription())
			}
		case *errdetails.ErrorInfo:
		default:
			t.Errorf("a detail of another form: %v", value)
		}
	}
	return all
}

// What a broken rule is called: the field as in JSON, and words for people.
func TestRulesInWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prefix  string
		message proto.Message
		want    []string
	}{
		"nothing":   {"", &filesv1.CreateUploadRequest{FileName: "a"}, nil},
		"missing":   {"", &filesv1.CreateUploadRequest{}, []string{"fileName: is missing"}},
		"a prefix":  {"input", &filesv1.CreateUploadRequest{}, []string{"input.fileName: is missing"}},
		"a message": {"", &identityv1.CreateUserRequest{}, []string{"user: is missing"}},
		"a pattern": {"", &filesv1.CreateUploadRequest{FileName: "a", Sha256: "A"}, []string{"sha256: has the wrong form"}},
		"several": {"", &filesv1.CreateUploadRequest{Size: -1}, []string{
			"fileName: is missing", "size: must be greater than or equal to 0",
		}},
		"an enum":   {"", &runsv1.DecideTaskRequest{Name: "tasks/1"}, []string{"decision: must be one of APPROVE, REJECT"}},
		"in a list": {"", &recordsv1.Format{NullTokens: []string{"NA", strings.Repeat("x", 41)}}, []string{"nullTokens[1]: must be at most 40 characters"}},
		"in a lookup": {"", &recordsv1.Format{Columns: []*recordsv1.Format_Column{{
			Source: "a", Lookup: &recordsv1.Format_Lookup{Dataset: "datasets/a", Match: strings.Repeat("x", 201), Take: "b"},
		}}}, []string{"columns[0].lookup.match: must be at most 200 characters"}},
	} {
		err := rpc.Valid(c.prefix, c.message)
		if err == nil && c.want == nil {
			continue
		}
		if diff := cmp.Diff(c.want, violations(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// More wrong fields than anybody reads are counted, not listed.
	many := &recordsv1.Format{}
	for i := range 150 {
		many.NullTokens = append(many.NullTokens, strings.Repeat("x", 41+i))
	}
	crowd := rpc.Valid("", many)
	if got := violations(t, crowd); len(got) != 100 || !strings.Contains(rpc.Message(crowd), "(and 150 more; the first 100 are listed)") {
		t.Errorf("%d are listed: %s", len(got), rpc.Message(crowd))
	}
	// A key is nobody's spelling but the caller's.
	err := rpc.Valid("", &notifyv1.SendMailRequest{Values: map[string]string{`my_"key`: strings.Repeat("x", 4001)}})
	if got := strings.Join(violations(t, err), "\n"); !strings.Contains(got, `values["my_\"key"]: `) {
		t.Errorf("a map: %s", got)
	}
}

// The chain refuses before the handler is asked.
func TestTheChainChecksRules(t *testing.T) {
	t.Parallel()
	everybody := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc { return next })
	mux := http.NewServeMux()
	mux.Handle(filesv1connect.NewFilesServiceHandler(filesv1connect.UnimplementedFilesServiceHandler{}, rpc.HandlerOptions(slog.New(slog.DiscardHandler), everybody)...))
	client := filesv1connect.NewFilesServiceClient(rpc.InMemory(mux), "http://house")
	_, err := client.CreateUpload(t.Context(), &filesv1.CreateUploadRequest{})
	if diff := cmp.Diff([]string{"fileName: is missing"}, violations(t, err)); diff != "" {
		t.Error(diff)
	}
	if _, err := client.CreateUpload(t.Context(), &filesv1.CreateUploadRequest{FileName: "a"}); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("a good request: %v", err)
	}
}
