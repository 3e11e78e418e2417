package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/notify/store"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

// claimLifetime is how long an attempt has a mail to itself; after that it is taken for dead.
const claimLifetime = time.Minute

// Config is the room's settings.
type Config struct {
	// From is the sender of every mail.
	From string `env:"MSHUB_NOTIFY_FROM" envDefault:"MicroServiceHub <no-reply@localhost>"`
	// SMTPURL is the mail server. Empty: mail is captured, which only `mshub up` may do.
	SMTPURL config.Secret `env:"SMTP_URL"`
}

// Validate reports every fault.
func (c *Config) Validate() error {
	if _, err := mail.ParseAddress(c.From); err != nil {
		return config.Fault("MSHUB_NOTIFY_FROM", "must be an address such as `MicroServiceHub <no-reply@example.com>`")
	}
	if c.SMTPURL == "" {
		return nil
	}
	_, err := NewSMTP(c.SMTPURL, slog.New(slog.DiscardHandler))
	return err
}

// Service implements the door. Safe for concurrent use.
type Service struct {
	db        *postgres.DB
	q         *store.Queries
	mailer    Mailer
	templates map[string]*mailTemplate
	publicURL string
	from      *mail.Address
	domain    string // right of the @ in a Message-ID
	now       func() time.Time
	logger    *slog.Logger
}

var _ notifyv1connect.NotifyServiceHandler = (*Service)(nil)

// New makes the service over SMTP or Captured. Links in mails begin with publicURL.
func New(db *postgres.DB, mailer Mailer, cfg Config, publicURL string, now func() time.Time, logger *slog.Logger) (*Service, error) {
	publicURL = strings.TrimSuffix(publicURL, "/")
	templates, err := loadTemplates(publicURL)
	if err != nil {
		return nil, err
	}
	from, err := mail.ParseAddress(cfg.From)
	if err != nil {
		return nil, config.Fault("MSHUB_NOTIFY_FROM", "is not an address")
	}
	public, err := url.Parse(publicURL)
	if err != nil {
		return nil, config.Fault("MSHUB_PUBLIC_URL", "is not a URL")
	}
	return &Service{
		db: db, q: store.New(), mailer: mailer, templates: templates, publicURL: publicURL, from: from,
		domain: cmp.Or(public.Hostname(), "localhost"), now: now, logger: logger,
	}, nil
}

// SendMail sends in the name of a run. The call's idempotency key becomes the Message-ID.
func (s *Service) SendMail(ctx context.Context, req *notifyv1.SendMailRequest) (*notifyv1.SendMailResponse, error) {
	key := rpc.IdempotencyKey(ctx)
	if key == "" {
		return nil, rpc.Invalid(rpc.IdempotencyHeader, "a mail needs the header %s, so that it is sent once", rpc.IdempotencyHeader)
	}
	row, err := s.send(ctx, key, req)
	if err != nil {
		return nil, err
	}
	return &notifyv1.SendMailResponse{Message: wire(row)}, nil
}

// SendAccountMail sends for the authorization server; the note of it belongs to the installation, not to a tenant.
func (s *Service) SendAccountMail(ctx context.Context, req *notifyv1.SendAccountMailRequest) (*notifyv1.SendAccountMailResponse, error) {
	key := cmp.Or(rpc.IdempotencyKey(ctx), uuid.NewString())
	_, err := s.send(ctx, key, req)
	return &notifyv1.SendAccountMailResponse{}, err
}

// ListMessages pages through the organisation's mails, the newest first.
func (s *Service) ListMessages(ctx context.Context, req *notifyv1.ListMessagesRequest) (*notifyv1.ListMessagesResponse, error) {
	size, before := postgres.PageSize(req.GetPageSize()), uuid.Max
	if req.GetPageToken() != "" {
		if err := postgres.DecodePage(req.GetPageToken(), &before); err != nil {
			return nil, err
		}
	}
	var rows []store.Message
	err := s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		rows, err = s.q.ListMessages(ctx, tx, store.ListMessagesParams{ID: before, Limit: int32(size) + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &notifyv1.ListMessagesResponse{}
	if len(rows) > size {
		rows = rows[:size]
		res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		res.Messages = append(res.Messages, wire(row))
	}
	return res, nil
}

// order is what both requests to send say.
type order interface {
	proto.Message
	GetTemplate() string
	GetRecipient() string
	GetValues() map[string]string
}

// send claims the mail, sends it and notes how that went. A mail that was sent is not sent again.
func (s *Service) send(ctx context.Context, key string, o order) (store.Message, error) {
	content, err := s.render(o)
	if err != nil {
		return store.Message{}, err
	}
	organisation := auth.From(ctx).Organisation
	row, err := s.claim(ctx, organisation, key, o)
	if err != nil || row.State == notifyv1.Message_SENT.String() {
		return row, err
	}
	failure := s.mailer.Send(ctx, Mail{
		MessageID: row.MessageID, From: s.from, To: row.Recipient, Subject: content.subject, Text: content.text, HTML: content.html, Time: s.now(),
		Unsubscribe: unsubscribeOf(o),
	})
	// The mail has left or not; the note of it must not depend on a caller who went away meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	done := store.FinishMessageParams{ID: row.ID, State: notifyv1.Message_FAILED.String()}
	if failure == nil {
		now := s.now()
		done.State, done.SentAt = notifyv1.Message_SENT.String(), &now
	} else {
		done.Error = rpc.Message(failure)
	}
	err = s.tenant(ctx, organisation, func(tx pgx.Tx) (err error) {
		row, err = s.q.FinishMessage(ctx, tx, done)
		return err
	})
	if failure != nil {
		return row, failure
	}
	if err != nil {
		s.logger.ErrorContext(ctx, "a mail was sent but could not be noted; a repeated call will send it again under the same Message-ID", "message", row.ID, "error", err)
	}
	return row, err
}

func (s *Service) render(o order) (rendered, error) {
	if err := checkRecipient(o.GetRecipient()); err != nil {
		return rendered{}, err
	}
	t, ok := s.templates[o.GetTemplate()]
	if !ok {
		return rendered{}, rpc.Invalid("template", "there is no template %q; there are %s", o.GetTemplate(), strings.Join(slices.Sorted(maps.Keys(s.templates)), ", "))
	}
	// Whoever can cause a mail must not choose where our links lead.
	if link, ok := o.GetValues()["link"]; ok && !strings.HasPrefix(link, s.publicURL+"/") {
		return rendered{}, rpc.Invalid("values.link", "must begin with %s/", s.publicURL)
	}
	unsubscribe := unsubscribeOf(o)
	if unsubscribe != "" && !strings.HasPrefix(unsubscribe, s.publicURL+"/") {
		return rendered{}, rpc.Invalid("unsubscribe", "must begin with %s/", s.publicURL)
	}
	return t.render(o.GetValues(), unsubscribe)
}

// unsubscribeOf is where such mails can be ended; account mails can't.
func unsubscribeOf(o order) string {
	if mail, ok := o.(*notifyv1.SendMailRequest); ok {
		return mail.GetUnsubscribe()
	}
	return ""
}

// claim makes the note of the mail, or finds the one from before.
func (s *Service) claim(ctx context.Context, organisation uuid.UUID, key string, o order) (row store.Message, err error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(o)
	if err != nil {
		return row, err
	}
	hash := sha256.Sum256(raw)
	id, err := uuid.NewV7()
	if err != nil {
		return row, err
	}
	params := store.InsertMessageParams{
		ID: id, MessageID: s.messageID(organisation, key), RequestHash: hash[:], Template: o.GetTemplate(), Recipient: o.GetRecipient(), Now: s.now(),
	}
	if run := auth.From(ctx).Run; run != uuid.Nil {
		params.Run = &run
	}
	err = s.tenant(ctx, organisation, func(tx pgx.Tx) error {
		n, err := s.q.InsertMessage(ctx, tx, params)
		if err != nil {
			return err
		}
		if row, err = s.q.LockMessage(ctx, tx, params.MessageID); err != nil || n == 1 {
			return err
		}
		switch {
		case !bytes.Equal(row.RequestHash, hash[:]):
			return rpc.AlreadyExists("IDEMPOTENCY_KEY_REUSED", "the idempotency key %q was used for another mail; choose a new one", key)
		case row.State == notifyv1.Message_SENT.String():
			return nil
		case row.State == notifyv1.Message_SENDING.String() && s.now().Sub(row.ClaimedAt) < claimLifetime:
			return rpc.Unavailable("this mail is being sent at this moment; try again")
		}
		return s.q.ClaimMessage(ctx, tx, store.ClaimMessageParams{ID: row.ID, ClaimedAt: s.now()})
	})
	return row, err
}

// tenant is a transaction in the organisation; zero is the installation itself.
func (s *Service) tenant(ctx context.Context, organisation uuid.UUID, f func(tx pgx.Tx) error) error {
	return s.db.Global(ctx, func(tx pgx.Tx) error {
		if err := store.Enter(ctx, tx, organisation); err != nil {
			return err
		}
		return f(tx)
	})
}

// messageID is the same for the same call, and tells nothing about it.
func (s *Service) messageID(organisation uuid.UUID, key string) string {
	sum := sha256.Sum256([]byte(organisation.String() + "/" + key))
	return hex.EncodeToString(sum[:16]) + "@" + s.domain
}

func wire(row store.Message) *notifyv1.Message {
	m := &notifyv1.Message{
		Name:       "messages/" + row.ID.String(),
		Template:   row.Template,
		Recipient:  row.Recipient,
		State:      notifyv1.Message_State(notifyv1.Message_State_value[row.State]),
		Error:      row.Error,
		CreateTime: timestamppb.New(row.CreatedAt),
	}
	if row.SentAt != nil {
		m.SendTime = timestamppb.New(*row.SentAt)
	}
	if row.Run != nil {
		m.Run = "runs/" + row.Run.String()
	}
	return m
}
