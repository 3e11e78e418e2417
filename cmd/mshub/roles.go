package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/microservicehub/mshub/activities"
	auditact "github.com/microservicehub/mshub/activities/audit"
	filesact "github.com/microservicehub/mshub/activities/files"
	identityact "github.com/microservicehub/mshub/activities/identity"
	notifyact "github.com/microservicehub/mshub/activities/notify"
	recordsact "github.com/microservicehub/mshub/activities/records"
	runsact "github.com/microservicehub/mshub/activities/runs"
	"github.com/microservicehub/mshub/authserver"
	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/gateway"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/mongo"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/observability"
	"github.com/microservicehub/mshub/services/audit"
	"github.com/microservicehub/mshub/services/audit/v1/auditv1connect"
	"github.com/microservicehub/mshub/services/files"
	"github.com/microservicehub/mshub/services/files/v1/filesv1connect"
	"github.com/microservicehub/mshub/services/identity"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/notify"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
	"github.com/microservicehub/mshub/services/records"
	"github.com/microservicehub/mshub/services/records/store"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
	"github.com/microservicehub/mshub/services/runs"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
	"github.com/microservicehub/mshub/workflows"
	"github.com/microservicehub/mshub/workflows/process"
)

// role is one line of the parts list: a part of the house that can run alone.
type role struct {
	name string
	// calls names the roles that it needs to reach.
	calls []string
	// database is true if it reads or writes PostgreSQL.
	database bool
	build    func(ctx context.Context, h *house) error
}

// roleTable is the house. The order is that of building: who is called comes before who calls.
var roleTable = []role{
	{"identity", nil, true, buildIdentity},
	{"notify", nil, true, buildNotify},
	{"audit", nil, true, buildAudit},
	{"files", nil, true, buildFiles},
	{"records", nil, true, buildRecords},
	{"runs", []string{"identity"}, true, buildRuns},
	{"authserver", []string{"identity", "notify"}, true, buildAuthserver},
	{"live", []string{"runs"}, true, buildLive},
	{"gateway", []string{"identity", "runs", "records", "files", "notify", "audit", "authserver"}, false, buildGateway},
	{"web", nil, false, func(context.Context, *house) error { return nil }},
	{"worker", []string{"identity", "runs", "records", "files", "notify", "audit", "authserver"}, true, buildWorker(process.QueueDefault)},
	{"worker-batch", []string{"identity", "runs", "records", "files", "notify", "audit", "authserver"}, true, buildWorker(process.QueueBatch)},
}

func roleNames() []string {
	names := make([]string, 0, len(roleTable))
	for _, r := range roleTable {
		names = append(names, r.name)
	}
	return names
}

func needsDatabase(roles []string) bool {
	return slices.ContainsFunc(roleTable, func(r role) bool { return r.database && slices.Contains(roles, r.name) })
}

// peersOf names the roles that must be reached in other processes.
func peersOf(roles []string) []string {
	var missing []string
	for _, r := range roleTable {
		if !slices.Contains(roles, r.name) {
			continue
		}
		for _, called := range r.calls {
			if !slices.Contains(roles, called) && !slices.Contains(missing, called) {
				missing = append(missing, called)
			}
		}
	}
	return missing
}

func buildIdentity(_ context.Context, h *house) error {
	service := identity.New(h.db, h.rooms.identity, h.set.PublicURL, h.keys.Derive("identity/links"), h.shared, time.Now, h.log)
	h.mount(identityv1connect.NewIdentityServiceHandler(service, h.handler...))
	h.mount(identityv1connect.NewCredentialServiceHandler(service, h.handler...))
	h.inBackground("identity housekeeping", service.Housekeep)
	return nil
}

// buildNotify sends by SMTP; without a mail server, which only `up` may be, mail is captured and shown.
func buildNotify(_ context.Context, h *house) error {
	var mailer notify.Mailer
	if h.rooms.notify.SMTPURL == "" {
		captured := notify.NewCaptured(h.db, time.Now)
		h.mux.Handle("/dev/mailbox", loopbackOnly(notify.MailboxHandler(captured, h.log)))
		mailer = captured
	} else {
		smtp, err := notify.NewSMTP(h.rooms.notify.SMTPURL, h.log)
		if err != nil {
			return err
		}
		mailer = smtp
	}
	service, err := notify.New(h.db, mailer, h.rooms.notify, h.set.PublicURL, time.Now, h.log)
	if err != nil {
		return err
	}
	h.mount(notifyv1connect.NewNotifyServiceHandler(service, h.handler...))
	h.inBackground("notify housekeeping", service.Housekeep)
	webhooks, err := notify.NewWebhooks(h.db, h.keys, h.rooms.webhooks, time.Now, h.log)
	if err != nil {
		return err
	}
	h.mount(notifyv1connect.NewWebhookServiceHandler(webhooks, h.handler...))
	h.inBackground("webhooks", webhooks.FanOut)
	h.inBackground("webhooks housekeeping", webhooks.Housekeep)
	return nil
}

func buildAudit(_ context.Context, h *house) error {
	h.mount(auditv1connect.NewAuditServiceHandler(audit.New(h.db), h.handler...))
	h.inBackground("audit sealer", audit.NewSealer(h.db, h.log).Run)
	return nil
}

func buildFiles(ctx context.Context, h *house) error {
	bucket, err := h.bucket(ctx, h.rooms.files.Bucket, "files")
	if err != nil {
		return err
	}
	service := files.New(h.db, bucket, h.keys, h.rooms.files, h.set.PublicURL, h.log, time.Now)
	h.mount(filesv1connect.NewFilesServiceHandler(service, h.handler...))
	h.route("/files/blob", service.BlobHandler())
	h.route("POST /v1/files", service.UploadHandler(h.verifier))
	h.inBackground("files housekeeping", service.Housekeeping)
	return nil
}

func buildRecords(ctx context.Context, h *house) error {
	scratch, err := h.bucket(ctx, h.rooms.records.Bucket, "records")
	if err != nil {
		return err
	}
	documents, err := h.documents(ctx)
	if err != nil {
		return err
	}
	service := records.New(h.db, documents, scratch, h.shared, h.rooms.records, h.log, time.Now)
	h.mount(recordsv1connect.NewRecordsServiceHandler(service, h.handler...))
	h.mount(recordsv1connect.NewExportServiceHandler(service, h.handler...))
	h.inBackground("records housekeeping", service.Housekeeping)
	return nil
}

// documents are in PostgreSQL, or in MongoDB if there is one.
func (h *house) documents(ctx context.Context) (store.Documents, error) {
	if h.set.MongoURI == "" {
		return store.NewJSONB(h.db), nil
	}
	patience, cancel := context.WithTimeout(ctx, enginePatience)
	defer cancel()
	db, err := mongo.Open(patience, h.set.MongoURI.Reveal())
	if err != nil {
		return nil, err
	}
	h.closing(db.Close)
	h.health.Add("documents", func(ctx context.Context) error {
		if db.Client().Ping(ctx, nil) != nil {
			return errors.New("MongoDB does not answer")
		}
		return nil
	})
	return store.NewMongo(ctx, db)
}

func buildRuns(_ context.Context, h *house) error {
	decides, err := h.decides()
	if err != nil {
		return err
	}
	service, err := runs.New(runs.Parts{
		DB: h.db, Events: h.publisher(h.db), Temporal: h.temporal, Processes: workflows.All, Schemas: workflows.Schemas,
		Eager: h.has("worker"), Decides: decides, Config: h.rooms.runs, Logger: h.log, Now: time.Now,
	})
	if err != nil {
		return err
	}
	h.mount(runsv1connect.NewRunsServiceHandler(service, h.handler...))
	h.telemetry.Registry.MustRegister(service.Metrics())
	h.inBackground("runs", service.Run)
	return nil
}

func buildAuthserver(_ context.Context, h *house) error {
	peer := func(role string) authserver.Peer {
		client, base := h.peer(role)
		return authserver.Peer{Client: client, URL: base}
	}
	server, err := authserver.New(authserver.Deps{
		DB: h.db, Config: h.rooms.auth, PublicURL: h.set.PublicURL, Keys: h.keys,
		Identity: peer("identity"), Notify: peer("notify"), Redis: h.wakes(), Log: h.log, Now: time.Now,
	})
	if err != nil {
		return err
	}
	h.telemetry.Registry.MustRegister(server.Metrics())
	server.Mount(h.route)
	for path, handler := range server.Handlers(h.handler...) {
		h.mount(path, handler)
	}
	h.inBackground("authserver", server.Run)
	return nil
}

// buildLive shows a run to whom runs.GetRun shows it.
func buildLive(ctx context.Context, h *house) error {
	client, base := h.peer("runs")
	asked := runsv1connect.NewRunsServiceClient(client, base, connect.WithInterceptors(bearerOfContext))
	hub := events.NewHub(events.HubConfig{
		DB: h.db, Redis: h.redis, Verifier: h.verifier, Origins: []string{h.set.PublicURL},
		Authorize: func(ctx context.Context, token string, run uuid.UUID) error {
			_, err := asked.GetRun(withBearer(ctx, token), &runsv1.GetRunRequest{Name: events.RunName(run)})
			return err
		},
		Metrics: h.telemetry.Registry, Logger: h.log, Now: time.Now,
	})
	if err := hub.Start(ctx); err != nil {
		return err
	}
	h.draining = append(h.draining, hub.Drain)
	h.closing(hub.Stop)
	h.route("/live", hub.WebSocket())
	h.route("/live/events", hub.SSE())
	return nil
}

// buildGateway translates for those who speak no Connect.
func buildGateway(_ context.Context, h *house) error {
	backends := gateway.Backends{}
	for name, role := range services {
		client, base := h.peer(role)
		backends[protoreflect.FullName(name)] = gateway.Backend{Client: client, URL: base}
	}
	rest, err := gateway.REST(backends, h.log)
	if err != nil {
		return err
	}
	description, err := gateway.Describe(h.set.PublicURL)
	if err != nil {
		return err
	}
	document, err := description.Serve()
	if err != nil {
		return err
	}
	reference, err := description.Reference()
	if err != nil {
		return err
	}
	graphql, err := gateway.GraphQL(backends, h.verifier, h.log)
	if err != nil {
		return err
	}
	h.route("/v1/", rest)
	h.route("/graphql", graphql)
	h.route("/openapi.json", document)
	h.route("/docs", reference)
	return nil
}

// buildWorker makes a worker of one queue. It journals through a small pool of its own, so that a burst of steps can't
// take the services' connections.
func buildWorker(queue string) func(context.Context, *house) error {
	return func(ctx context.Context, h *house) error {
		db, err := postgres.Open(ctx, h.set.DatabaseURL.Reveal(), workerConns)
		if err != nil {
			return err
		}
		h.closing(func(context.Context) error { db.Close(); return nil })
		options, err := h.service("worker", activities.ClientInterceptors()...)
		if err != nil {
			return err
		}
		limits := process.WorkerOptions(queue)
		limits.WorkerStopTimeout = workerPatience
		limits.Interceptors = []interceptor.WorkerInterceptor{
			activities.NewInterceptor(), events.NewInterceptor(h.publisher(db), commit), process.NewInterceptor(workflows.All),
		}
		w := worker.New(h.temporal, queue, limits)
		process.Register(w, queue, workflows.All)
		transport := func(role string) (connect.HTTPClient, string) { return h.peer(role) }
		register(w, transport, options)
		if err := w.Start(); err != nil {
			return err
		}
		h.closing(func(context.Context) error { w.Stop(); return nil })
		return nil
	}
}

const (
	workerConns = 6
	// workerPatience lets activities under way end before the process does.
	workerPatience = 3 * time.Second
)

// register gives a worker the verbs of every service.
func register(w worker.Worker, peer func(role string) (connect.HTTPClient, string), options []connect.ClientOption) {
	client, base := peer("identity")
	w.RegisterActivity(identityact.New(identityv1connect.NewIdentityServiceClient(client, base, options...)))
	client, base = peer("notify")
	w.RegisterActivity(notifyact.New(notifyv1connect.NewNotifyServiceClient(client, base, options...)))
	w.RegisterActivity(notifyact.NewWebhooks(notifyv1connect.NewWebhookServiceClient(client, base, options...)))
	client, base = peer("audit")
	w.RegisterActivity(auditact.New(auditv1connect.NewAuditServiceClient(client, base, options...)))
	client, base = peer("files")
	w.RegisterActivity(filesact.New(filesv1connect.NewFilesServiceClient(client, base, options...)))
	client, base = peer("records")
	w.RegisterActivity(recordsact.New(recordsv1connect.NewRecordsServiceClient(client, base, options...)))
	w.RegisterActivity(recordsact.NewExports(recordsv1connect.NewExportServiceClient(client, base, options...)))
	client, base = peer("runs")
	w.RegisterActivity(runsact.New(runsv1connect.NewRunsServiceClient(client, base, options...)))
}

func (h *house) publisher(db *postgres.DB) *events.Publisher {
	return events.NewPublisher(db, h.redis, h.log)
}

// route puts a plain handler into the route table, measured and traced under its pattern.
func (h *house) route(pattern string, handler http.Handler) {
	_, path, found := strings.Cut(pattern, " ")
	if !found {
		path = pattern
	}
	h.mux.Handle(pattern, h.http.Route(path, handler))
}

// mount puts a Connect handler into the route table; its interceptors measure it.
func (h *house) mount(path string, handler http.Handler) { h.mux.Handle(path, handler) }

// bucket opens a room's blob store: the configured one, else a directory of the data directory.
func (h *house) bucket(ctx context.Context, address, room string) (*blob.Bucket, error) {
	bucket, err := blob.Open(ctx, cmp.Or(address, blob.Directory(filepath.Join(h.data, room))))
	if err != nil {
		return nil, err
	}
	h.closing(func(context.Context) error { return bucket.Close() })
	return bucket, nil
}

// roomSettings are the settings of every room, read and checked together.
type roomSettings struct {
	house     *settings
	telemetry *observability.Config
	auth      authserver.Config
	identity  identity.Config
	notify    notify.Config
	webhooks  notify.WebhookConfig
	files     files.Config
	records   records.Config
	runs      runs.Config
}

func newRoomSettings() *roomSettings {
	return &roomSettings{house: &settings{}, telemetry: &observability.Config{}}
}

func (r *roomSettings) list() []config.Validator {
	return []config.Validator{r.house, r.telemetry, &r.auth, &r.identity, &r.notify, &r.webhooks, &r.files, &r.records, &r.runs}
}

// services names the role that serves each Connect service.
var services = map[string]string{
	authserverv1connect.BootstrapServiceName: "authserver",
	authserverv1connect.ClientServiceName:    "authserver",
	authserverv1connect.GrantServiceName:     "authserver",
	authserverv1connect.KeyServiceName:       "authserver",
	authserverv1connect.SessionServiceName:   "authserver",
	auditv1connect.AuditServiceName:          "audit",
	filesv1connect.FilesServiceName:          "files",
	identityv1connect.CredentialServiceName:  "identity",
	identityv1connect.IdentityServiceName:    "identity",
	notifyv1connect.NotifyServiceName:        "notify",
	notifyv1connect.WebhookServiceName:       "notify",
	recordsv1connect.ExportServiceName:       "records",
	recordsv1connect.RecordsServiceName:      "records",
	runsv1connect.RunsServiceName:            "runs",
}
