package authserver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/authserver"
	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
	_ "github.com/microservicehub/mshub/services/audit/v1" // every door is linked: they are the catalogue of permissions
	_ "github.com/microservicehub/mshub/services/files/v1"
	"github.com/microservicehub/mshub/services/identity"
	identitystore "github.com/microservicehub/mshub/services/identity/store"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
	_ "github.com/microservicehub/mshub/services/records/v1"
	_ "github.com/microservicehub/mshub/services/runs/v1"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const password = "a quiet river at noon"

// house is the authorization server at a real address, with the real identity service behind it. Mail ends in a list.
type house struct {
	t        *testing.T
	url      string
	db       *postgres.DB
	server   *authserver.Server
	verifier *auth.Verifier
	keys     config.Keys
	mails    *mailbox
	log      *logBuffer
	wake     chan struct{}
}

// mailbox stands where mail leaves the house.
type mailbox struct {
	notifyv1connect.UnimplementedNotifyServiceHandler
	got chan *notifyv1.SendAccountMailRequest
}

func (m *mailbox) SendAccountMail(_ context.Context, req *notifyv1.SendAccountMailRequest) (*notifyv1.SendAccountMailResponse, error) {
	m.got <- req
	return &notifyv1.SendAccountMailResponse{}, nil
}

// next returns the mail that arrives next.
func (h *house) nextMail() *notifyv1.SendAccountMailRequest {
	h.t.Helper()
	select {
	case mail := <-h.mails.got:
		return mail
	case <-time.After(20 * time.Second):
		h.t.Fatal("no mail came")
		return nil
	}
}

// logBuffer keeps what was logged, to search it for secrets.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func defaults(t testing.TB) authserver.Config {
	t.Helper()
	var c authserver.Config
	if err := config.Load(map[string]string{}, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db := testenv.Postgres(t, events.Schema(), auditstore.Schema(), identitystore.Schema(), authserver.Schema())
	master := make([]byte, 32)
	_, _ = rand.Read(master)
	return newHouseOn(t, db, config.Keys{master})
}

// newHouseOn starts a node on a database that others may use too.
func newHouseOn(t *testing.T, db *postgres.DB, keys config.Keys) *house {
	t.Helper()
	h := &house{
		t: t, db: db, keys: keys, mails: &mailbox{got: make(chan *notifyv1.SendAccountMailRequest, 1000)}, log: &logBuffer{}, wake: make(chan struct{}, 1),
	}
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	mux := http.NewServeMux()
	listener := httptest.NewUnstartedServer(mux)
	h.url = "http://" + listener.Listener.Addr().String()
	var err error
	h.server, err = authserver.New(authserver.Deps{
		DB: db, Config: defaults(t), PublicURL: h.url, Keys: keys, Log: log,
		Identity: authserver.Peer{Client: rpc.HTTPClient(), URL: h.url},
		Notify:   authserver.Peer{Client: rpc.HTTPClient(), URL: h.url},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.verifier = auth.NewVerifier(h.url, h.server.Keys(), auth.NewRevocations(time.Now), time.Now)
	chain := rpc.HandlerOptions(log, auth.NewInterceptor(h.verifier))
	h.server.Mount(mux.Handle)
	for path, handler := range h.server.Handlers(chain...) {
		mux.Handle(path, handler)
	}
	people := identity.New(db, identity.Config{InvitationLifetime: time.Hour, VerificationLifetime: time.Hour, ResetLifetime: time.Hour},
		h.url, keys.Derive("identity/links"), rpc.HTTPClient(), time.Now, log)
	mux.Handle(identityv1connect.NewIdentityServiceHandler(people, chain...))
	mux.Handle(identityv1connect.NewCredentialServiceHandler(people, chain...))
	mux.Handle(notifyv1connect.NewNotifyServiceHandler(h.mails, chain...))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "console") })
	listener.Start()
	t.Cleanup(listener.Close)
	return h
}

// run starts what the server does by itself, and makes the house's services obey the revocations, as every node does.
func (h *house) run() {
	h.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.server.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	feed := auth.RevocationFeed(http.DefaultClient, h.url+"/oauth2/revocations", h.service("node"), time.Now)
	wg.Go(func() {
		h.verifier.Revocations().Poll(ctx, slog.New(slog.DiscardHandler), feed, 50*time.Millisecond, h.wake)
	})
	h.t.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

func (h *house) service(name string) auth.TokenSource {
	return auth.ServiceTokenSource(http.DefaultClient, h.url+"/oauth2/token", h.keys, name)
}

func (h *house) operator() authserverv1connect.BootstrapServiceClient {
	return authserverv1connect.NewBootstrapServiceClient(http.DefaultClient, h.url, connect.WithInterceptors(auth.Bearer(h.service("operator"), time.Now)))
}

// administratorLink is what `mshub up` prints.
func (h *house) administratorLink() string {
	h.t.Helper()
	res, err := h.operator().CreateAdministratorLink(h.t.Context(), &authserverv1.CreateAdministratorLinkRequest{Force: true})
	if err != nil {
		h.t.Fatal(err)
	}
	return res.GetLink()
}

// administrator is a browser in which the first administrator has just opened the link and set a password.
func (h *house) administrator() *browser {
	h.t.Helper()
	b := h.browser()
	page := b.get(h.administratorLink())
	page = b.submit(page, url.Values{"name": {"Ada"}, "email": {"ada@example.com"}, "password": {password}})
	if page.path != "/" {
		h.t.Fatalf("after the link: %s %s", page.path, page.text())
	}
	return b
}

// browser follows links and redirects, keeps cookies and fills forms, as one without JavaScript does.
type browser struct {
	h      *house
	client *http.Client
	// stop: a redirect to an address that begins so is not followed.
	stop string
}

// page is where the browser is.
type page struct {
	status int
	path   string // path and query
	url    *url.URL
	header http.Header
	body   string
	// location is the redirect that was not followed.
	location string
}

var tags = regexp.MustCompile(`(?s)<style.*?</style>|<[^>]*>`)

// text is what a person reads.
func (p page) text() string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(p.body, " ")), " ")
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	b := &browser{h: h, stop: "https://app.example"}
	b.client = &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), b.stop) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

func (b *browser) do(req *http.Request) page {
	b.h.t.Helper()
	res, err := b.client.Do(req)
	if err != nil {
		b.h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	p := page{status: res.StatusCode, url: res.Request.URL, path: res.Request.URL.RequestURI(), header: res.Header, body: string(body)}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		p.location = res.Header.Get("Location")
	}
	return p
}

func (b *browser) get(address string) page {
	b.h.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.h.url + address
	}
	req, err := http.NewRequestWithContext(b.h.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return b.do(req)
}

var (
	formTag  = regexp.MustCompile(`<form method="post" action="([^"]+)">`)
	inputTag = regexp.MustCompile(`<input[^>]*>`)
	nameOf   = regexp.MustCompile(` name="([^"]*)"`)
	valueOf  = regexp.MustCompile(` value="([^"]*)"`)
)

// submit fills the page's form and posts it.
func (b *browser) submit(p page, filled url.Values) page {
	b.h.t.Helper()
	return b.post(p, filled, nil)
}

func (b *browser) post(p page, filled url.Values, header http.Header) page {
	b.h.t.Helper()
	action := formTag.FindStringSubmatch(p.body)
	if action == nil {
		b.h.t.Fatalf("no form at %s (%d): %s", p.path, p.status, p.text())
	}
	form := url.Values{}
	for _, input := range inputTag.FindAllString(p.body, -1) {
		if name := nameOf.FindStringSubmatch(input); name != nil {
			value := ""
			if v := valueOf.FindStringSubmatch(input); v != nil {
				value = unescape.Replace(v[1])
			}
			form.Set(name[1], value)
		}
	}
	maps.Copy(form, filled)
	req, err := http.NewRequestWithContext(b.h.t.Context(), http.MethodPost, b.h.url+action[1], strings.NewReader(form.Encode()))
	if err != nil {
		b.h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "null") // what browsers send under our referrer policy
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	maps.Copy(req.Header, header)
	return b.do(req)
}

var unescape = strings.NewReplacer("&amp;", "&", "&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#43;", "+")

func (b *browser) signIn(email, password string) page {
	b.h.t.Helper()
	return b.submit(b.get("/signin"), url.Values{"email": {email}, "password": {password}})
}

type sessionToken struct {
	AccessToken  string `json:"accessToken"`
	TokenType    string `json:"tokenType"`
	ExpiresIn    int    `json:"expiresIn"`
	Organisation string `json:"organisation"`
	Code         string `json:"code"`
}

// token asks /session/token as the console does.
func (b *browser) token(body string, header http.Header) (int, sessionToken) {
	b.h.t.Helper()
	req, err := http.NewRequestWithContext(b.h.t.Context(), http.MethodPost, b.h.url+"/session/token", strings.NewReader(body))
	if err != nil {
		b.h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", b.h.url)
	maps.Copy(req.Header, header)
	p := b.do(req)
	var answer sessionToken
	if err := json.Unmarshal([]byte(p.body), &answer); err != nil {
		b.h.t.Fatalf("/session/token: %d %s", p.status, p.body)
	}
	return p.status, answer
}

// console returns a bearer token of the signed-in person.
func (b *browser) console() string {
	b.h.t.Helper()
	status, answer := b.token("{}", nil)
	if status != http.StatusOK {
		b.h.t.Fatalf("/session/token: %d %s", status, answer.Code)
	}
	return answer.AccessToken
}

// as puts a fixed token on calls.
func as(token string) connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+token)
			return next(ctx, req)
		}
	}))
}

func (h *house) clients(token string) authserverv1connect.ClientServiceClient {
	return authserverv1connect.NewClientServiceClient(http.DefaultClient, h.url, as(token), connect.WithInterceptors(rpc.SendIdempotencyKey()))
}

// application registers a client as the administrator does.
func (h *house) application(token string, kind authserverv1.Client_Kind, redirect string, scopes ...string) *authserverv1.CreateClientResponse {
	h.t.Helper()
	c := &authserverv1.Client{Title: "Reporting & more", Kind: kind, Scopes: scopes}
	if redirect != "" {
		c.RedirectUris = []string{redirect}
	}
	res, err := h.clients(token).CreateClient(h.t.Context(), &authserverv1.CreateClientRequest{Client: c})
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}
