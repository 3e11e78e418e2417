package notify

import (
	"context"
	"net/mail"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/microservicehub/mshub/internal/rpc"
)

// Mail is what a Mailer carries. All of it was checked.
type Mail struct {
	MessageID string // without the angle brackets
	From      *mail.Address
	To        string // one plain address
	Subject   string // one line
	Text      string
	HTML      string
	Time      time.Time
	// Unsubscribe is where a POST ends such mails; "" for mail that can't be ended.
	Unsubscribe string
}

// Mailer carries mails away: SMTP or Captured. Send returns an error of internal/rpc: `unavailable` if another attempt may
// help, `failed_precondition` if the mail was refused for good. The same Message-ID twice is harmless.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

// message is the mail as it travels.
func (m Mail) message() (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	msg.FromMailAddress(m.From)
	if err := msg.To(m.To); err != nil {
		return nil, err
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.MessageID)
	msg.SetDateWithValue(m.Time)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Unsubscribe != "" { // mail programs show a button (RFC 8058)
		msg.SetGenHeader(gomail.HeaderListUnsubscribe, "<"+m.Unsubscribe+">")
		msg.SetGenHeader(gomail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}

// checkRecipient accepts one plain address: nothing that could add a header or another recipient.
func checkRecipient(address string) error {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || parsed.Name != "" || len(address) > 254 || strings.ContainsFunc(address, unicode.IsControl) {
		return rpc.Invalid("recipient", "must be one e-mail address such as ann@example.com")
	}
	return nil
}
