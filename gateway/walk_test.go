package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/gateway"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/services/audit/v1/auditv1connect"
	"github.com/microservicehub/mshub/services/files/v1/filesv1connect"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// mountAll serves every door behind the chain of production; the handlers themselves answer "unimplemented".
func mountAll(mux *http.ServeMux, options []connect.HandlerOption) {
	mux.Handle(authserverv1connect.NewClientServiceHandler(authserverv1connect.UnimplementedClientServiceHandler{}, options...))
	mux.Handle(authserverv1connect.NewSessionServiceHandler(authserverv1connect.UnimplementedSessionServiceHandler{}, options...))
	mux.Handle(authserverv1connect.NewGrantServiceHandler(authserverv1connect.UnimplementedGrantServiceHandler{}, options...))
	mux.Handle(authserverv1connect.NewKeyServiceHandler(authserverv1connect.UnimplementedKeyServiceHandler{}, options...))
	mux.Handle(authserverv1connect.NewBootstrapServiceHandler(authserverv1connect.UnimplementedBootstrapServiceHandler{}, options...))
	mux.Handle(auditv1connect.NewAuditServiceHandler(auditv1connect.UnimplementedAuditServiceHandler{}, options...))
	mux.Handle(filesv1connect.NewFilesServiceHandler(filesv1connect.UnimplementedFilesServiceHandler{}, options...))
	mux.Handle(identityv1connect.NewIdentityServiceHandler(identityv1connect.UnimplementedIdentityServiceHandler{}, options...))
	mux.Handle(identityv1connect.NewCredentialServiceHandler(identityv1connect.UnimplementedCredentialServiceHandler{}, options...))
	mux.Handle(notifyv1connect.NewNotifyServiceHandler(notifyv1connect.UnimplementedNotifyServiceHandler{}, options...))
	mux.Handle(notifyv1connect.NewWebhookServiceHandler(notifyv1connect.UnimplementedWebhookServiceHandler{}, options...))
	mux.Handle(recordsv1connect.NewExportServiceHandler(recordsv1connect.UnimplementedExportServiceHandler{}, options...))
	mux.Handle(recordsv1connect.NewRecordsServiceHandler(recordsv1connect.UnimplementedRecordsServiceHandler{}, options...))
	mux.Handle(runsv1connect.NewRunsServiceHandler(runsv1connect.UnimplementedRunsServiceHandler{}, options...))
}

// asker calls one method as somebody, by one protocol, and returns Connect's code of the answer.
type asker func(t *testing.T, method protoreflect.MethodDescriptor, token string) connect.Code

// TestEveryMethodByEveryProtocol walks all methods: nobody without a token gets in, nor does anybody without the right,
// whichever way they come; with the right everybody reaches the handler.
func TestEveryMethodByEveryProtocol(t *testing.T) {
	t.Parallel()
	issuer := testenv.Issuer(t)
	inner := http.NewServeMux()
	mountAll(inner, issuer.Options())
	backends := gateway.Backends{}
	for _, service := range services() {
		backends[service.FullName()] = gateway.Backend{Client: rpc.InMemory(inner), URL: "http://house"}
	}
	rest, err := gateway.REST(backends, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	outer := http.NewServeMux()
	outer.Handle("/", inner)
	outer.Handle("/v1/", rest)
	server := httptest.NewUnstartedServer(outer)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)

	askers := map[string]asker{
		"connect": askRPC(server),
		"grpc":    askRPC(server, connect.WithGRPC()),
		"rest":    askREST(server),
	}
	person := auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: uuid.New()}
	nobody := issuer.Token(person) // signed in, without any permission
	person.Permissions = []string{"*"}
	everything := issuer.Token(person)
	person.Scopes = []string{"openid"}
	unscoped := issuer.Token(person)

	for name, ask := range askers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, method := range methods() {
				if name == "rest" && !hasRoute(method) {
					continue
				}
				rule := auth.RuleOf(method)
				if rule == nil {
					t.Errorf("%s has no rule", method.FullName())
					continue
				}
				check := func(who, token string, want connect.Code) {
					if got := ask(t, method, token); got != want {
						t.Errorf("%s, %s: %s, want %s", method.FullName(), who, got, want)
					}
				}
				denied, allowed := connect.CodePermissionDenied, reached
				switch {
				case rule.GetPublic():
					check("nobody", "", reached)
				case rule.GetService() != "":
					check("nobody", "", connect.CodeUnauthenticated)
					check("a person who may everything", everything, denied)
				case rule.GetAuthenticated():
					check("nobody", "", connect.CodeUnauthenticated)
					check("anybody", nobody, allowed)
				default:
					check("nobody", "", connect.CodeUnauthenticated)
					check("a person who may nothing", nobody, denied)
					check("a client without the scope", unscoped, denied)
					check("a person who may everything", everything, allowed)
				}
				if !rule.GetPublic() {
					check("a forged token", "a.b.c", connect.CodeUnauthenticated)
				}
			}
		})
	}
}

// reached stands for what a handler says: that it isn't there, or that an empty request won't do.
const reached connect.Code = 1000

func asReached(code connect.Code) connect.Code {
	if code == connect.CodeUnimplemented || code == connect.CodeInvalidArgument {
		return reached
	}
	return code
}

// askRPC sends an empty request, which is the same bytes for every message.
func askRPC(server *httptest.Server, options ...connect.ClientOption) asker {
	return func(t *testing.T, method protoreflect.MethodDescriptor, token string) connect.Code {
		t.Helper()
		procedure := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
		client := connect.NewClient[emptypb.Empty, emptypb.Empty](server.Client(), server.URL+procedure, options...)
		req := connect.NewRequest(&emptypb.Empty{})
		if token != "" {
			req.Header().Set("Authorization", "Bearer "+token)
		}
		_, err := client.CallUnary(context.WithoutCancel(t.Context()), req)
		return asReached(connect.CodeOf(err))
	}
}

func askREST(server *httptest.Server) asker {
	return func(t *testing.T, method protoreflect.MethodDescriptor, token string) connect.Code {
		t.Helper()
		verb, path := routeOf(method)
		req, err := http.NewRequestWithContext(t.Context(), verb, server.URL+concretePath(path), bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Code connect.Code `json:"code"`
		}
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatalf("%s: %s", method.FullName(), raw)
		}
		statuses := map[connect.Code]int{connect.CodeUnauthenticated: 401, connect.CodePermissionDenied: 403, connect.CodeUnimplemented: 501, connect.CodeInvalidArgument: 400}
		if res.StatusCode != statuses[body.Code] {
			t.Errorf("%s: HTTP %d with %s", method.FullName(), res.StatusCode, body.Code)
		}
		return asReached(body.Code)
	}
}
