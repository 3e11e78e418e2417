package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/microservicehub/mshub/activities"
	"github.com/microservicehub/mshub/activities/audit"
	"github.com/microservicehub/mshub/activities/files"
	"github.com/microservicehub/mshub/activities/identity"
	"github.com/microservicehub/mshub/activities/notify"
	"github.com/microservicehub/mshub/activities/records"
	"github.com/microservicehub/mshub/activities/runs"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runcontext "github.com/microservicehub/mshub/internal/temporal"
	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// run executes one activity behind the worker's interceptor.
func run(t *testing.T, do func(context.Context) error) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{activities.NewInterceptor()}})
	env.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: "Do"})
	_, err := env.ExecuteActivity("Do")
	return err
}

func TestWhichErrorsAreTriedAgain(t *testing.T) {
	t.Parallel()
	retried := map[connect.Code]bool{
		connect.CodeCanceled: true, connect.CodeUnknown: true, connect.CodeDeadlineExceeded: true, connect.CodeResourceExhausted: true,
		connect.CodeAborted: true, connect.CodeInternal: true, connect.CodeUnavailable: true, connect.CodeDataLoss: true, connect.CodeUnauthenticated: true,
	}
	for code := connect.CodeCanceled; code <= connect.CodeUnauthenticated; code++ {
		var got *temporal.ApplicationError
		if err := run(t, func(context.Context) error { return connect.NewError(code, errors.New("no")) }); !errors.As(err, &got) {
			t.Errorf("%s: %v", code, err)
			continue
		}
		var detail string
		if err := got.Details(&detail); err != nil || detail != code.String() {
			t.Errorf("%s: detail %q, %v", code, detail, err)
		}
		if got.NonRetryable() == retried[code] {
			t.Errorf("%s: retried %t", code, !got.NonRetryable())
		}
	}
}

func TestErrorsKeepTheirReason(t *testing.T) {
	t.Parallel()
	var got *temporal.ApplicationError
	if !errors.As(run(t, func(context.Context) error { return rpc.Precondition("NO_SEAT", "no seat left") }), &got) {
		t.Fatal("no application error")
	}
	if got.Type() != "NO_SEAT" || got.Message() != "no seat left" {
		t.Errorf("%s: %s", got.Type(), got.Message())
	}
	if !errors.As(run(t, func(context.Context) error { return rpc.Exhausted(7*time.Second, "too much") }), &got) || got.NextRetryDelay() != 7*time.Second {
		t.Errorf("the pause that the service asks for: %s", got.NextRetryDelay())
	}
	if !errors.As(run(t, func(context.Context) error { return errors.New("connection reset") }), &got) || got.NonRetryable() {
		t.Errorf("an error that is no answer: %v", got)
	}
}

// seen keeps the headers of the last call.
type seen struct {
	mu     sync.Mutex
	header http.Header
}

func (s *seen) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header = req.Header
	return nil, errors.New("nobody is there")
}

func TestCallsSayInWhoseNameAndUnderWhichKey(t *testing.T) {
	t.Parallel()
	s := &seen{}
	client := runs.New(runsv1connect.NewRunsServiceClient(&http.Client{Transport: s}, "http://runs", connect.WithInterceptors(activities.ClientInterceptors()...)))
	base := runcontext.RunContext{Organisation: uuid.Must(uuid.NewV7()), Run: uuid.Must(uuid.NewV7()), Actor: "users/ada"}
	cases := []struct {
		step  string
		item  int32
		call  string
		epoch int32
		key   string
	}{
		{"plan", 0, "", 0, base.Run.String() + "/plan/0"},
		{"chunks", 17, "", 0, base.Run.String() + "/chunks/17"},
		{"mail", 0, "undo", 0, base.Run.String() + "/mail/0/undo"},
		{"mail", 0, "undo", 2, base.Run.String() + "/mail/0/undo~2"},
		{"", 0, "", 0, ""},
	}
	for _, tc := range cases {
		rc := base
		rc.Step, rc.Item, rc.Call, rc.Epoch = tc.step, tc.item, tc.call, tc.epoch
		_, _ = client.FinishRun(runcontext.ContextWithRun(t.Context(), rc), &runsv1.FinishRunRequest{})
		got := []string{s.header.Get(rpc.IdempotencyHeader), s.header.Get("Mshub-Organisation"), s.header.Get("Mshub-Run"), s.header.Get("Mshub-Actor"), s.header.Get("Mshub-Step")}
		if diff := cmp.Diff([]string{tc.key, base.Organisation.String(), base.Run.String(), base.Actor, tc.step}, got); diff != "" {
			t.Error(diff)
		}
	}
	_, _ = client.FinishRun(t.Context(), &runsv1.FinishRunRequest{})
	if s.header.Get("Mshub-Run") != "" {
		t.Error("a call outside of a run names one")
	}
}

// without verb: methods open to runs that no process needs yet.
var withoutVerb = map[string]bool{}

func TestEveryMethodOpenToRunsHasAVerb(t *testing.T) {
	t.Parallel()
	rooms := []struct {
		door  protoreflect.FileDescriptor
		verbs reflect.Type
	}{
		{auditv1.File_services_audit_v1_audit_proto, reflect.TypeFor[*audit.Activities]()},
		{filesv1.File_services_files_v1_files_proto, reflect.TypeFor[*files.Activities]()},
		{identityv1.File_services_identity_v1_identity_proto, reflect.TypeFor[*identity.Activities]()},
		{notifyv1.File_services_notify_v1_notify_proto, reflect.TypeFor[*notify.Activities]()},
		{notifyv1.File_services_notify_v1_webhook_proto, reflect.TypeFor[*notify.Webhooks]()},
		{recordsv1.File_services_records_v1_export_proto, reflect.TypeFor[*records.Exports]()},
		{recordsv1.File_services_records_v1_records_proto, reflect.TypeFor[*records.Activities]()},
		{runsv1.File_services_runs_v1_runs_proto, reflect.TypeFor[*runs.Activities]()},
	}
	owner := map[string]string{}
	for _, room := range rooms {
		known := map[string]bool{}
		for i := range room.door.Services().Len() {
			methods := room.door.Services().Get(i).Methods()
			for j := range methods.Len() {
				method := methods.Get(j)
				name := string(method.Name())
				known[name] = auth.RuleOf(method).GetWorker()
				if _, has := room.verbs.MethodByName(name); known[name] && !has && !withoutVerb[string(method.FullName())] {
					t.Errorf("%s is open to runs; %s lacks the verb", method.FullName(), room.verbs)
				}
			}
		}
		for method := range room.verbs.Methods() {
			name := method.Name
			if !known[name] {
				t.Errorf("%s.%s calls a method that is closed to runs", room.verbs, name)
			}
			if other, taken := owner[name]; taken {
				t.Errorf("%s and %s both register %s; verbs are known by their bare names", other, room.verbs, name)
			}
			owner[name] = room.verbs.String()
		}
	}
}
