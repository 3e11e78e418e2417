package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/authorize"
	"github.com/microservicehub/mshub/authserver/clients"
	"github.com/microservicehub/mshub/authserver/consent"
	"github.com/microservicehub/mshub/authserver/discovery"
	"github.com/microservicehub/mshub/authserver/introspect"
	"github.com/microservicehub/mshub/authserver/keys"
	"github.com/microservicehub/mshub/authserver/limit"
	"github.com/microservicehub/mshub/authserver/login"
	"github.com/microservicehub/mshub/authserver/logout"
	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/authserver/revocation"
	"github.com/microservicehub/mshub/authserver/revoke"
	"github.com/microservicehub/mshub/authserver/session"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/authserver/token"
	"github.com/microservicehub/mshub/authserver/userinfo"
	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

// Deps is what the server is made of.
type Deps struct {
	DB     *postgres.DB
	Config Config
	// PublicURL is MSHUB_PUBLIC_URL: the issuer.
	PublicURL string
	// Keys are MSHUB_SECRET_KEYS.
	Keys config.Keys
	// Identity and Notify are where the two services answer that this one calls.
	Identity, Notify Peer
	// Redis wakes other nodes after a revocation; nil for none.
	Redis redis.UniversalClient
	Log   *slog.Logger
	// Now is the clock; nil for time.Now. fosite's own checks of expiry always use time.Now.
	Now func() time.Time
}

// Peer is a service of the house: over HTTP, or in memory (rpc.InMemory).
type Peer struct {
	Client connect.HTTPClient
	URL    string
}

// Server is the authorization server.
type Server struct {
	db       *postgres.DB
	log      *slog.Logger
	now      func() time.Time
	issuer   string
	timeouts Timeouts

	ring        *keys.Ring
	book        *revocation.Book
	store       *store.Store
	tokens      *access.Issuer
	credentials identityv1connect.CredentialServiceClient
	mailer      *login.Mailer

	mounts  []mount
	clients *clients.Service
	// sessions, grants, keyring and bootstrap are the other Connect services.
	sessions  session.Service
	grants    consent.Service
	keyring   keys.Service
	bootstrap *clients.Bootstrap
}

// mount is one line of the list of addresses.
type mount struct {
	pattern string
	handler http.Handler
}

// Schema is the server's part of the database.
func Schema() postgres.Schema { return store.Schema() }

// New puts the server together. It touches neither database nor network: the signing keys are read, or made, when they
// are first needed.
func New(d Deps) (*Server, error) {
	public, err := publicURL(d.PublicURL)
	if err != nil {
		return nil, err
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	s := &Server{db: d.DB, log: d.Log, now: d.Now, issuer: public.String(), timeouts: timeouts(d.Config)}
	if s.ring, err = keys.New(d.DB, d.Keys, s.timeouts.Keys, d.Now); err != nil {
		return nil, err
	}
	pages, err := page.New(public, d.Keys.Derive("authserver/forms"), d.Log)
	if err != nil {
		return nil, err
	}
	s.book = revocation.NewBook(d.DB, d.Redis, d.Log, d.Now)
	s.store = store.NewStore(d.DB, clients.Builtin(d.Keys), s.book.EndFamily, d.Now)
	s.tokens = access.NewIssuer(s.issuer, s.ring, d.Now)

	// The server calls its peers with a token that it signs itself.
	own := connect.WithInterceptors(auth.Bearer(s.tokens.Service("authserver"), time.Now), rpc.SendIdempotencyKey())
	s.credentials = identityv1connect.NewCredentialServiceClient(d.Identity.Client, d.Identity.URL, own)
	s.tokens.Ask(s.credentials)
	s.mailer = login.NewMailer(notifyv1connect.NewNotifyServiceClient(d.Notify.Client, d.Notify.URL, own), d.Log)

	s.furnish(d, pages)
	return s, nil
}

// furnish makes the rooms and the list of their addresses: the only place where they are wired in.
func (s *Server) furnish(d Deps, pages *page.Pages) {
	verifier := access.NewVerifier(auth.NewVerifier(s.issuer, s.ring.Public, auth.NewRevocations(s.now), s.now), s.book.Revoked)
	authenticator := token.NewAuthenticator(s.store.Client, s.now)
	provider, strategy := s.provider(d.Keys.Derive("authserver/tokens"), authenticator)
	sessions := session.NewManager(s.db, s.book, pages, s.timeouts.SessionIdle, s.timeouts.SessionAbsolute, s.now)
	reader := &authorize.Reader{Provider: provider, Store: s.store, Now: s.now}
	tickets := &authorize.Tickets{Keys: d.Keys.Derive("authserver/tickets"), Now: s.now}

	authorization := &authorize.Endpoint{
		Reader: reader, Tickets: tickets, Sessions: sessions, Issuer: s.tokens, Pages: pages,
		Consented: consent.Remembered(s.db), PublicURL: s.issuer, Log: s.log,
	}
	tokens := &token.Endpoint{
		Provider: provider, Store: s.store, Issuer: s.tokens, EndFamily: s.book.EndFamily, Failures: limit.New(secretRate, s.now),
		Family: s.timeouts.Family, Idle: s.timeouts.Refresh, Log: s.log, Now: s.now,
	}
	guard := &login.Guard{
		Addresses: limit.New(addressRate, s.now), Accounts: limit.New(accountRate, s.now), Pages: pages, Keys: d.Keys.Derive("authserver/devices"),
	}
	in := &login.Pages{
		View: pages, Guard: guard, Sessions: sessions, Credentials: s.credentials, Mail: s.mailer, SignUp: d.Config.SignUp, Targets: authorization.Targets,
	}
	out := &session.SignOut{Sessions: sessions, Issuer: s.tokens, Pages: pages}
	allow := &consent.Page{
		DB: s.db, Reader: reader, Tickets: tickets, Sessions: sessions, Issuer: s.tokens, View: pages, PublicURL: s.issuer, Now: s.now,
	}
	about := discovery.Handler(s.issuer)

	s.mounts = []mount{
		// The protocol. What a browser application may call from its own origin is `open`.
		{"/oauth2/authorize", authorization},
		{"/oauth2/par", &authorize.Push{Reader: reader, Authenticate: authenticator.Authenticate, Lifetime: s.timeouts.PushedRequest}},
		{"/oauth2/token", open(tokens)},
		{"POST /oauth2/introspect", &introspect.Endpoint{
			Authenticate: authenticator.Authenticate, Tokens: verifier, Refresh: strategy, Store: s.store, Issuer: s.issuer, Log: s.log, Now: s.now,
		}},
		{"/oauth2/revoke", open(&revoke.Endpoint{
			Authenticate: authenticator.Authenticate, Tokens: verifier, Refresh: strategy, Store: s.store, Book: s.book, Log: s.log,
		})},
		{"/oauth2/userinfo", open(&userinfo.Endpoint{Tokens: verifier, Issuer: s.tokens, Log: s.log})},
		{"/oauth2/logout", &logout.Endpoint{Sessions: sessions, Store: s.store, Signer: keys.Signer{Ring: s.ring}, Pages: pages}},
		{"/oauth2/jwks", open(http.HandlerFunc(s.ring.JWKS))},
		{"GET /oauth2/revocations", s.book.Feed(verifier)},
		{"/.well-known/openid-configuration", open(about)},
		{"/.well-known/oauth-authorization-server", open(about)},
		// A person at the browser.
		{"GET /signin", http.HandlerFunc(in.ShowSignIn)},
		{"POST /signin", http.HandlerFunc(in.SubmitSignIn)},
		{"GET /signin/sent", http.HandlerFunc(in.ShowSent)},
		{"GET /signup", http.HandlerFunc(in.ShowSignUp)},
		{"POST /signup", http.HandlerFunc(in.SubmitSignUp)},
		{"GET /reset", http.HandlerFunc(in.ShowReset)},
		{"POST /reset", http.HandlerFunc(in.SubmitReset)},
		{"GET /verify", http.HandlerFunc(in.ShowVerify)},
		{"POST /verify", http.HandlerFunc(in.SubmitVerify)},
		{"GET /consent", http.HandlerFunc(allow.Show)},
		{"POST /consent", http.HandlerFunc(allow.Submit)},
		{"GET /signout", http.HandlerFunc(out.Show)},
		{"POST /signout", http.HandlerFunc(out.Submit)},
		{"POST /session/token", &session.TokenEndpoint{Sessions: sessions, Issuer: s.tokens, Log: s.log}},
	}
	for i := range s.mounts {
		s.mounts[i].handler = textOnly(pages, s.mounts[i].handler)
	}
	// Mail programs send the one click as multipart/form-data (RFC 8058); nothing of the body is read.
	s.mounts = append(s.mounts, mount{"GET /unsubscribe", http.HandlerFunc(in.ShowUnsubscribe)}, mount{"POST /unsubscribe", http.HandlerFunc(in.SubmitUnsubscribe)})
	s.clients = &clients.Service{DB: s.db, Book: s.book, Now: s.now}
	s.sessions = session.Service{Sessions: sessions}
	s.grants = consent.Service{DB: s.db, Book: s.book}
	s.keyring = keys.Service{Ring: s.ring}
	s.bootstrap = &clients.Bootstrap{DB: s.db, Credentials: s.credentials, Now: s.now}
}

// Mount serves the protocol and the pages: it hands each address to handle (http.ServeMux.Handle, or what wraps it).
func (s *Server) Mount(handle func(pattern string, handler http.Handler)) {
	for _, m := range s.mounts {
		handle(m.pattern, m.handler)
	}
}

// Handlers returns the Connect services by the path that they are mounted at.
func (s *Server) Handlers(options ...connect.HandlerOption) map[string]http.Handler {
	handlers := map[string]http.Handler{}
	add := func(path string, handler http.Handler) { handlers[path] = handler }
	add(authserverv1connect.NewClientServiceHandler(s.clients, options...))
	add(authserverv1connect.NewSessionServiceHandler(s.sessions, options...))
	add(authserverv1connect.NewGrantServiceHandler(s.grants, options...))
	add(authserverv1connect.NewKeyServiceHandler(s.keyring, options...))
	add(authserverv1connect.NewBootstrapServiceHandler(s.bootstrap, options...))
	return handlers
}

// Keys returns the public signing keys, for a verifier in the same process.
func (s *Server) Keys() auth.Keys { return s.ring.Public }

// Metrics tells the age of the signing key.
func (s *Server) Metrics() prometheus.Collector { return s.ring.Metrics() }

// Run does what happens without being asked, until ctx ends: keys and housekeeping (one node leads), changes of access
// (every node). It returns when mails under way are handed over.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.book.Sync(ctx, s.credentials) })
	err := s.db.Leader(ctx, "authserver", s.timeouts.Housekeeping/4, s.lead)
	wg.Wait()
	s.mailer.Wait()
	return err
}

// open lets a browser application call from any origin: no cookie counts there, only what is in the request.
func open(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
