package notify

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/rpc"
)

// smtpTimeout bounds one delivery, connection included. It is less than claimLifetime.
const smtpTimeout = 30 * time.Second

// SMTP hands mails to a mail server, one connection each. Safe for concurrent use.
type SMTP struct {
	host    string
	options []gomail.Option
	logger  *slog.Logger
}

var _ Mailer = (*SMTP)(nil)

// NewSMTP reads an address: smtps://user:password@host:465 speaks TLS from the start, smtp://host:587 as soon as the
// server offers it. A password is never sent without TLS, unless the server is this machine.
func NewSMTP(address config.Secret, logger *slog.Logger) (*SMTP, error) {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Hostname() == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") {
		return nil, config.Fault("SMTP_URL", "must read smtp://[user:password@]host:port or smtps://…")
	}
	options := []gomail.Option{gomail.WithTimeout(smtpTimeout), gomail.WithoutNoop()}
	port := 587
	if u.Scheme == "smtps" {
		port = 465
		options = append(options, gomail.WithSSL())
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, config.Fault("SMTP_URL", "has no valid port")
		}
	}
	password, withPassword := u.User.Password()
	switch {
	case u.Scheme == "smtps":
	case withPassword && !loopback(u.Hostname()):
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	}
	options = append(options, gomail.WithPort(port))
	if withPassword {
		method := gomail.SMTPAuthAutoDiscover
		if loopback(u.Hostname()) {
			method = gomail.SMTPAuthPlainNoEnc
		}
		options = append(options, gomail.WithSMTPAuth(method), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	if _, err := gomail.NewClient(u.Hostname(), options...); err != nil {
		return nil, config.Fault("SMTP_URL", "%s", err)
	}
	return &SMTP{host: u.Hostname(), options: options, logger: logger}, nil
}

// Send delivers the mail. Only what the server says for good about this mail is final; a server that is away, wants other
// credentials or is busy may be better later.
func (s *SMTP) Send(ctx context.Context, m Mail) error {
	msg, err := m.message()
	if err != nil {
		return rpc.Invalid("recipient", "is not an address that mail can be sent to")
	}
	client, err := gomail.NewClient(s.host, s.options...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, smtpTimeout)
	defer cancel()
	if err = client.DialWithContext(ctx); err == nil {
		err = client.Send(msg)
		_ = client.Close() // the mail is delivered or not by now
	}
	if err == nil || msg.IsDelivered() {
		return nil
	}
	var refused *gomail.SendError
	if errors.As(err, &refused) && refused.ErrorCode() >= 500 {
		return rpc.Precondition("MAIL_REFUSED", "the mail server refused the mail for good (%d)", refused.ErrorCode())
	}
	s.logger.WarnContext(ctx, "a mail could not be handed to the mail server; it will be tried again", "server", s.host, "error", err)
	return rpc.Unavailable("the mail server can't take the mail now; try again")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
