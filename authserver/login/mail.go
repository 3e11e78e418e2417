package login

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

const (
	// mailTimeout bounds one hand-over to the notify service, which queues and repeats by itself.
	mailTimeout = 30 * time.Second
	// mailsAtOnce bounds those under way; more wait.
	mailsAtOnce = 16
)

// Mailer hands links to the notify service after the page was answered. Safe for concurrent use.
type Mailer struct {
	notify notifyv1connect.NotifyServiceClient
	log    *slog.Logger
	slots  chan struct{}
	wg     sync.WaitGroup
}

// NewMailer sends through the notify service.
func NewMailer(notify notifyv1connect.NotifyServiceClient, log *slog.Logger) *Mailer {
	return &Mailer{notify: notify, log: log, slots: make(chan struct{}, mailsAtOnce)}
}

// Send returns at once. A mail without a template is no mail: the address has no account to write about.
func (m *Mailer) Send(ctx context.Context, mail *identityv1.LinkMail) {
	if mail.GetTemplate() == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	m.wg.Go(func() {
		m.slots <- struct{}{}
		defer func() { <-m.slots }()
		ctx, cancel := context.WithTimeout(ctx, mailTimeout)
		defer cancel()
		ctx = rpc.WithIdempotencyKey(ctx, uuid.NewString())
		_, err := m.notify.SendAccountMail(ctx, &notifyv1.SendAccountMailRequest{
			Template:  mail.GetTemplate(),
			Recipient: mail.GetEmail(),
			Values:    map[string]string{"displayName": mail.GetDisplayName(), "link": mail.GetLink()},
		})
		if err != nil {
			m.log.ErrorContext(ctx, "a mail could not be handed over; the person has to ask again", "template", mail.GetTemplate(), "error", err)
		}
	})
}

// Wait returns when what was sent is handed over.
func (m *Mailer) Wait() { m.wg.Wait() }
