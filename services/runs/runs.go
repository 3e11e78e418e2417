package runs

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
	"github.com/microservicehub/mshub/workflows/process"
)

const (
	// launchTimeout bounds the telling of Temporal about a run; the reconciler tells what was missed.
	launchTimeout = 3 * time.Second
	// commandTimeout is how long an operator's command waits for a worker.
	commandTimeout = 5 * time.Second
	// describeTimeout is how much of a person's patience goes into asking Temporal about a run before it is commanded.
	describeTimeout = time.Second
	// signalTimeout bounds the telling of a decision; the reconciler tells it again.
	signalTimeout = 3 * time.Second
)

// Parts is what the service is made of.
type Parts struct {
	DB     *postgres.DB
	Events *events.Publisher
	// Temporal must carry temporal.Propagator in its options.
	Temporal client.Client
	// Processes and the schemas of their forms (workflows.All, workflows.Schemas).
	Processes []process.Definition
	Schemas   fs.FS
	// Eager is true if the workers of the processes share this process and Temporal client: the first step then needs no
	// round trip through the queue.
	Eager bool
	// Decides says whether somebody of the organisation answers to "users/ID" or "roles/NAME" and has PermissionDecide. The
	// context carries the run that is asked for. nil believes every name.
	Decides func(ctx context.Context, name string) (bool, error)
	Config  Config
	Logger  *slog.Logger
	Now     func() time.Time
}

// Service implements the door. Safe for concurrent use.
type Service struct {
	db        *postgres.DB
	events    *events.Publisher
	temporal  client.Client
	catalogue *catalogue
	eager     bool
	decides   func(ctx context.Context, name string) (bool, error)
	retention time.Duration
	logger    *slog.Logger
	now       func() time.Time
	// freed names processes in which a slot fell free on this node; losing one costs until the next pass.
	freed    chan string
	launches *launches
	// client sends lists to signed links.
	client *http.Client
}

var _ runsv1connect.RunsServiceHandler = (*Service)(nil)

var queries = store.New()

// Schema is the room's part of the database, applied after events and audit.
func Schema() postgres.Schema { return store.Schema() }

// New makes the service; Run, which mends and claims, is started apart. It fails if a process is not what it should be.
func New(p Parts) (*Service, error) {
	c, err := newCatalogue(p.Processes, p.Schemas, p.Config.Settings, p.Config.Limits)
	if err != nil {
		return nil, err
	}
	s := &Service{
		db: p.DB, events: p.Events, temporal: p.Temporal, catalogue: c, eager: p.Eager, decides: p.Decides,
		retention: p.Config.Retention, logger: p.Logger, now: p.Now,
		freed: make(chan string, 64), launches: newLaunches(p.DB, p.Logger), client: rpc.HTTPClient(),
	}
	s.launches.terminate = s.terminate
	return s, nil
}

// tx runs f in a transaction of the caller's organisation.
func (s *Service) tx(ctx context.Context, f func(tx pgx.Tx) error) error {
	organisation := auth.From(ctx).Organisation
	if organisation == [16]byte{} {
		return rpc.Precondition("NO_ORGANISATION", "you are not a member of an organisation yet; ask for an invitation, or create one")
	}
	return s.db.Tx(ctx, organisation, f)
}

// action names a method for the audit.
func action(method string) string { return runsv1connect.RunsServiceName + "/" + method }
