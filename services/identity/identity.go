package identity

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// schema is the room's part of the database.
const schema = "identity"

// Config is the room's settings.
type Config struct {
	// InvitationLifetime is used when a process names none.
	InvitationLifetime time.Duration `env:"MSHUB_IDENTITY_INVITATION_LIFETIME" envDefault:"336h"`
	// VerificationLifetime of the link that a sign-up gets.
	VerificationLifetime time.Duration `env:"MSHUB_IDENTITY_VERIFICATION_LIFETIME" envDefault:"24h"`
	// ResetLifetime of a link to set a new password.
	ResetLifetime time.Duration `env:"MSHUB_IDENTITY_RESET_LIFETIME" envDefault:"1h"`
	// HashWorkers is how many passwords are hashed at once (19 MiB and a core each); 0 = one a core.
	HashWorkers int `env:"MSHUB_IDENTITY_HASH_WORKERS" envDefault:"0"`
}

// Validate reports every fault.
func (c *Config) Validate() error {
	var faults []error
	for variable, d := range map[string]time.Duration{
		"MSHUB_IDENTITY_INVITATION_LIFETIME":   c.InvitationLifetime,
		"MSHUB_IDENTITY_VERIFICATION_LIFETIME": c.VerificationLifetime,
		"MSHUB_IDENTITY_RESET_LIFETIME":        c.ResetLifetime,
	} {
		if d < time.Minute || d > 90*24*time.Hour {
			faults = append(faults, config.Fault(variable, "must be between 1m and 2160h, is %s", d))
		}
	}
	if c.HashWorkers < 0 {
		faults = append(faults, config.Fault("MSHUB_IDENTITY_HASH_WORKERS", "can't be negative; 0 means one a core"))
	}
	return errors.Join(faults...)
}

// Service implements both doors. Safe for concurrent use; it owns nothing that needs closing.
type Service struct {
	db        *postgres.DB
	q         *store.Queries
	config    Config
	publicURL string
	linkKeys  [][]byte
	now       func() time.Time
	logger    *slog.Logger
	client    *http.Client
	hasher    *hasher
}

var (
	_ identityv1connect.IdentityServiceHandler   = (*Service)(nil)
	_ identityv1connect.CredentialServiceHandler = (*Service)(nil)
)

// New makes the service. Links begin with publicURL; their tokens are derived with linkKeys (config.Keys.Derive), the
// first makes new ones. Client fetches files of people and sends lists, by signed links.
func New(db *postgres.DB, config Config, publicURL string, linkKeys [][]byte, client *http.Client, now func() time.Time, logger *slog.Logger) *Service {
	workers := config.HashWorkers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return &Service{
		db:        db,
		q:         store.New(),
		config:    config,
		publicURL: strings.TrimSuffix(publicURL, "/"),
		linkKeys:  linkKeys,
		now:       now,
		logger:    logger,
		client:    client,
		hasher:    newHasher(workers),
	}
}

// changed is what a change tells the audit. A change that found nothing to do tells nil.
type changed struct {
	target        string
	before, after map[string]any
	reason        string
}

// change is the frame of every change in the caller's organisation: one transaction, done once under the call's
// idempotency key, with its audit entry. f fills res. The organisation's row is locked, so changes of people and rights
// in one organisation wait for one another.
func (s *Service) change(ctx context.Context, procedure string, req, res proto.Message, f func(tx pgx.Tx) (*changed, error)) error {
	method := strings.TrimPrefix(procedure, "/")
	return s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		proto.Reset(res)
		return postgres.Once(ctx, tx, schema, method, rpc.IdempotencyKey(ctx), req, res, func() error {
			if _, err := s.q.LockActiveOrganisation(ctx, tx); err != nil {
				return err
			}
			what, err := f(tx)
			if err != nil || what == nil {
				return err
			}
			return audit.Append(ctx, tx, audit.Entry{Action: method, Target: what.target, Before: what.before, After: what.after, Reason: what.reason})
		})
	})
}

// read is the frame of every reading in the caller's organisation.
func (s *Service) read(ctx context.Context, f func(tx pgx.Tx) error) error {
	return s.db.Tx(ctx, auth.From(ctx).Organisation, f)
}

// accessChanged makes the authorization server take back the user's tokens within seconds of the commit.
func (s *Service) accessChanged(ctx context.Context, tx pgx.Tx, user uuid.UUID, kind string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	return s.q.InsertAccessChange(ctx, tx, store.InsertAccessChangeParams{ID: id, UserID: user, Kind: kind})
}

// Kinds of access changes, as identityv1.AccessChange.Kind names them.
const (
	accessRoles    = "ROLES"
	accessRemoved  = "REMOVED"
	accessPassword = "PASSWORD"
)

// found turns "no row" into not_found.
func found(err error, kind, name string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return rpc.NotFound(kind, name)
	}
	return err
}
