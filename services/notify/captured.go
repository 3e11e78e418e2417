package notify

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/notify/store"
)

const (
	// keepCaptured is how long a captured mail can be read.
	keepCaptured = 7 * 24 * time.Hour
	// mailboxLength bounds what the mailbox shows.
	mailboxLength = 200
)

// Captured keeps mails instead of sending them, for `mshub up`: they survive a restart and are read at /dev/mailbox.
type Captured struct {
	db  *postgres.DB
	q   *store.Queries
	now func() time.Time
}

var _ Mailer = (*Captured)(nil)

// NewCaptured makes it; what is too old is deleted with each new mail.
func NewCaptured(db *postgres.DB, now func() time.Time) *Captured {
	return &Captured{db: db, q: store.New(), now: now}
}

// Send keeps the mail.
func (c *Captured) Send(ctx context.Context, m Mail) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	return c.db.Global(ctx, func(tx pgx.Tx) error {
		if err := c.q.ForgetCaptured(ctx, tx, c.now().Add(-keepCaptured)); err != nil {
			return err
		}
		return c.q.InsertCaptured(ctx, tx, store.InsertCapturedParams{
			ID: id, MessageID: m.MessageID, Sender: m.From.String(), Recipient: m.To, Subject: m.Subject, Text: m.Text, Html: m.HTML, CreatedAt: m.Time,
		})
	})
}

// list returns the newest mails, to everybody or to one address.
func (c *Captured) list(ctx context.Context, recipient string) (mails []store.CapturedMail, err error) {
	err = c.db.Global(ctx, func(tx pgx.Tx) error {
		mails, err = c.q.ListCaptured(ctx, tx, store.ListCapturedParams{Recipient: recipient, Limit: mailboxLength})
		return err
	})
	return mails, err
}
