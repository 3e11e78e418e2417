package notify_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/services/notify"
	"github.com/microservicehub/mshub/services/notify/store"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const publicURL = "https://hub.example"

// house is the room under test behind its real chain.
type house struct {
	db       *postgres.DB
	captured *notify.Captured
	as       func(auth.Caller) notifyv1connect.NotifyServiceClient
}

// setup uses the mail server, or captures if it is nil.
func setup(t *testing.T, server *smtpServer) *house {
	t.Helper()
	db := testenv.Postgres(t, store.Schema())
	logger := slog.New(slog.DiscardHandler)
	h := &house{db: db, captured: notify.NewCaptured(db, time.Now)}
	var mailer notify.Mailer = h.captured
	if server != nil {
		smtp, err := notify.NewSMTP(config.Secret(server.address), logger)
		if err != nil {
			t.Fatal(err)
		}
		mailer = smtp
	}
	service, err := notify.New(db, mailer, notify.Config{From: "The Hub <hub@hub.example>"}, publicURL, time.Now, logger)
	if err != nil {
		t.Fatal(err)
	}
	issuer := testenv.Issuer(t)
	path, handler := notifyv1connect.NewNotifyServiceHandler(service, issuer.Options()...)
	url := testenv.Serve(t, issuer, path, handler)
	h.as = func(c auth.Caller) notifyv1connect.NotifyServiceClient {
		return notifyv1connect.NewNotifyServiceClient(rpc.HTTPClient(), url, issuer.As(c), connect.WithInterceptors(rpc.SendIdempotencyKey()))
	}
	return h
}

func run(organisation uuid.UUID) auth.Caller {
	return auth.Caller{Kind: auth.Run, Organisation: organisation, Run: uuid.New(), Actor: "users/" + uuid.NewString(), Step: "mail"}
}

func reader(organisation uuid.UUID) auth.Caller {
	return auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: organisation, Permissions: []string{"notify.read"}}
}

func key(ctx context.Context) context.Context { return rpc.WithIdempotencyKey(ctx, uuid.NewString()) }

func invitation() *notifyv1.SendMailRequest {
	return &notifyv1.SendMailRequest{Template: "invitation", Recipient: "bob@example.com", Values: map[string]string{
		"displayName": "Bob", "organisation": "Käse & Söhne", "link": publicURL + "/verify?link=s3cret",
	}}
}

func TestMailThroughAServer(t *testing.T) {
	t.Parallel()
	server := startSMTP(t, nil)
	h := setup(t, server)
	organisation := uuid.New()
	ctx := key(t.Context())
	res, err := h.as(run(organisation)).SendMail(ctx, invitation())
	if err != nil || res.GetMessage().GetState() != notifyv1.Message_SENT || res.GetMessage().GetSendTime() == nil {
		t.Fatalf("got %v, %v", res, err)
	}
	mails := server.received()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	parsed, err := mail.ReadMessage(strings.NewReader(mails[0].data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil || subject != "You are invited to Käse & Söhne" {
		t.Errorf("subject %q, %v", subject, err)
	}
	for header, want := range map[string]string{"From": `"The Hub" <hub@hub.example>`, "To": "<bob@example.com>", "Auto-Submitted": "auto-generated"} {
		if got := parsed.Header.Get(header); got != want {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
	if id := parsed.Header.Get("Message-ID"); !strings.HasSuffix(id, "@hub.example>") {
		t.Errorf("Message-ID %q", id)
	}
	parts := bodies(t, parsed)
	if text := parts["text/plain"]; !strings.Contains(text, "Hello Bob") || !strings.Contains(text, publicURL+"/verify?link=s3cret") || !strings.Contains(text, "Käse & Söhne") {
		t.Errorf("text: %s", text)
	}
	if page := parts["text/html"]; !strings.Contains(page, `href="https://hub.example/verify?link=s3cret"`) || !strings.Contains(page, "Käse &amp; Söhne") {
		t.Errorf("html: %s", page)
	}

	// Again under the same key: nothing leaves. Another mail under it is refused.
	again, err := h.as(run(organisation)).SendMail(ctx, invitation())
	if err != nil || again.GetMessage().GetName() != res.GetMessage().GetName() || len(server.received()) != 1 {
		t.Errorf("got %v, %v, %d mails", again, err, len(server.received()))
	}
	other := invitation()
	other.Recipient = "eve@example.com"
	if _, err := h.as(run(organisation)).SendMail(ctx, other); connect.CodeOf(err) != connect.CodeAlreadyExists {
		t.Errorf("got %v", err)
	}
}

func bodies(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	reader := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		parts[kind] = string(body)
	}
}

// What the server says decides whether another attempt makes sense; each attempt has the same Message-ID.
func TestServersThatRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		command, answer string
		want            connect.Code
	}{
		"no such mailbox":      {"RCPT", "550 5.1.1 no such user", connect.CodeFailedPrecondition},
		"content refused":      {"DATA", "554 5.7.1 no", connect.CodeFailedPrecondition},
		"greylisted":           {"RCPT", "451 4.7.1 later", connect.CodeUnavailable},
		"busy":                 {"MAIL", "421 4.3.2 busy", connect.CodeUnavailable},
		"does not even listen": {"EHLO", "421 4.3.2 busy", connect.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var healed atomic.Bool
			server := startSMTP(t, func(command string) string {
				if (command == c.command || (c.command == "EHLO" && command == "HELO")) && !healed.Load() {
					return c.answer
				}
				return ""
			})
			h := setup(t, server)
			organisation := uuid.New()
			ctx := key(t.Context())
			if _, err := h.as(run(organisation)).SendMail(ctx, invitation()); connect.CodeOf(err) != c.want {
				t.Errorf("got %v", err)
			}
			list, err := h.as(reader(organisation)).ListMessages(ctx, &notifyv1.ListMessagesRequest{})
			if err != nil || len(list.GetMessages()) != 1 || list.GetMessages()[0].GetState() != notifyv1.Message_FAILED || list.GetMessages()[0].GetError() == "" {
				t.Errorf("got %v, %v", list, err)
			}
			healed.Store(true)
			res, err := h.as(run(organisation)).SendMail(ctx, invitation())
			if err != nil || res.GetMessage().GetState() != notifyv1.Message_SENT || res.GetMessage().GetError() != "" || len(server.received()) != 1 {
				t.Errorf("got %v, %v", res, err)
			}
		})
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	h := setup(t, &smtpServer{address: "smtp://127.0.0.1:1"})
	if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), invitation()); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

// Attempts at once: one mail.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	server := startSMTP(t, nil)
	h := setup(t, server)
	caller, ctx := run(uuid.New()), key(t.Context())
	var sent atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := h.as(caller).SendMail(ctx, invitation())
			if err == nil {
				sent.Add(1)
			} else if connect.CodeOf(err) != connect.CodeUnavailable {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if sent.Load() == 0 || len(server.received()) != 1 {
		t.Errorf("%d answers, %d mails", sent.Load(), len(server.received()))
	}
}

func TestBadMails(t *testing.T) {
	t.Parallel()
	server := startSMTP(t, nil)
	h := setup(t, server)
	for name, c := range map[string]struct {
		change func(*notifyv1.SendMailRequest)
		field  string
	}{
		"unknown template":  {func(r *notifyv1.SendMailRequest) { r.Template = "spam" }, "template"},
		"path as template":  {func(r *notifyv1.SendMailRequest) { r.Template = "../store" }, "template"},
		"value missing":     {func(r *notifyv1.SendMailRequest) { delete(r.GetValues(), "organisation") }, "values.organisation"},
		"link elsewhere":    {func(r *notifyv1.SendMailRequest) { r.Values["link"] = "https://evil.example/" }, "values.link"},
		"link look-alike":   {func(r *notifyv1.SendMailRequest) { r.Values["link"] = publicURL + ".evil.example/" }, "values.link"},
		"two recipients":    {func(r *notifyv1.SendMailRequest) { r.Recipient = "a@example.com,b@example.com" }, "recipient"},
		"header in address": {func(r *notifyv1.SendMailRequest) { r.Recipient = "a@example.com\r\nBcc: b@example.com" }, "recipient"},
		"named address":     {func(r *notifyv1.SendMailRequest) { r.Recipient = "Bob <a@example.com>" }, "recipient"},
		"command in it":     {func(r *notifyv1.SendMailRequest) { r.Recipient = "a@example.com>\nRCPT TO:<b@example.com" }, "recipient"},
		"none":              {func(r *notifyv1.SendMailRequest) { r.Recipient = "" }, "recipient"},
	} {
		req := invitation()
		c.change(req)
		_, err := h.as(run(uuid.New())).SendMail(key(t.Context()), req)
		if rpc.ReasonOf(err) != "INVALID_FIELD" || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.as(run(uuid.New())).SendMail(t.Context(), invitation()); rpc.ReasonOf(err) != "INVALID_FIELD" {
		t.Errorf("without a key: %v", err)
	}
	if n := len(server.received()); n != 0 {
		t.Errorf("%d mails left", n)
	}
}

// No value can add a header.
func TestHeadersCannotBeInjected(t *testing.T) {
	t.Parallel()
	server := startSMTP(t, nil)
	h := setup(t, server)
	for _, evil := range []string{"x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\rBcc: eve@example.com", "x\u2028Bcc: eve@example.com", "x\r\n\r\nbody", "x\x00y", "x\r\n.\r\nMAIL FROM:<eve@example.com>"} {
		req := invitation()
		req.Values["organisation"] = evil
		req.Values["displayName"] = evil
		if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), req); err != nil {
			t.Errorf("%q: %v", evil, err)
		}
	}
	mails := server.received()
	if len(mails) != 7 {
		t.Fatalf("%d mails", len(mails))
	}
	for _, m := range mails {
		parsed, err := mail.ReadMessage(strings.NewReader(m.data))
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Header.Get("Bcc") != "" || strings.Count(m.to, "RCPT") != 1 || !strings.Contains(m.from, "hub@hub.example") {
			t.Errorf("injected: %s\n%s", m.to, m.data)
		}
		if subject, _ := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); strings.ContainsAny(subject, "\r\n\x00\u2028") {
			t.Errorf("subject %q", subject)
		}
	}
}

// Every template renders with the values that the door names, and needs each of them.
func TestTemplates(t *testing.T) {
	t.Parallel()
	h := setup(t, nil)
	link := publicURL + "/verify?link=x"
	all := map[string]map[string]string{
		"invitation":       {"displayName": "Bob", "organisation": "Home", "link": link},
		"reminder":         {"displayName": "Bob", "organisation": "Home", "link": link},
		"task":             {"displayName": "Ada", "title": "Admit Bob?"},
		"documents":        {"displayName": "Bob", "organisation": "Home", "documents": "Signed contract\nPassport"},
		"welcome":          {"displayName": "Bob", "organisation": "Home", "note": ""},
		"welcome-customer": {"displayName": "Bob", "organisation": "Home", "note": "Nice to have you", "limit": "20000"},
		"arrival":          {"displayName": "Ada", "organisation": "Home", "person": "Bob", "role": "member"},
		"rejection":        {"displayName": "Bob", "organisation": "Home", "reason": ""},
		"digest":           {"displayName": "Ada", "organisation": "Home", "tasks": "Approve Bob", "runs": ""},
		"verification":     {"displayName": "Bob", "link": link},
		"reset":            {"displayName": "Bob", "link": link},
		"known-address":    {"displayName": "Bob", "link": link},
		"webhook-disabled": {"displayName": "Ada", "organisation": "Home", "title": "Billing", "host": "billing.example", "reason": "gone"},
	}
	for name, values := range all {
		if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), &notifyv1.SendMailRequest{Template: name, Recipient: "bob@example.com", Values: values}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for value := range values {
			less := maps.Clone(values)
			delete(less, value)
			_, err := h.as(run(uuid.New())).SendMail(key(t.Context()), &notifyv1.SendMailRequest{Template: name, Recipient: "bob@example.com", Values: less})
			if diff := cmp.Diff([]string{"values." + value}, rpc.FieldsOf(err)); diff != "" {
				t.Errorf("%s without %s: %v", name, value, err)
			}
		}
	}
}

func TestAccountMailsBelongToNoOrganisation(t *testing.T) {
	t.Parallel()
	h := setup(t, nil)
	a, b := uuid.New(), uuid.New()
	if _, err := h.as(run(a)).SendMail(key(t.Context()), invitation()); err != nil {
		t.Fatal(err)
	}
	authserver := h.as(auth.Caller{Kind: auth.Service, Actor: "services/authserver", Scopes: []string{"mshub.authserver"}})
	if _, err := authserver.SendAccountMail(t.Context(), &notifyv1.SendAccountMailRequest{
		Template: "reset", Recipient: "ada@example.com", Values: map[string]string{"displayName": "Ada", "link": publicURL + "/verify?link=s3cret"},
	}); err != nil {
		t.Fatal(err)
	}
	for organisation, want := range map[uuid.UUID]int{a: 1, b: 0} {
		list, err := h.as(reader(organisation)).ListMessages(t.Context(), &notifyv1.ListMessagesRequest{})
		if err != nil || len(list.GetMessages()) != want {
			t.Errorf("got %v, %v", list, err)
		}
	}
	if _, err := h.as(reader(a)).SendMail(key(t.Context()), invitation()); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a person sent mail: %v", err)
	}
	if _, err := h.as(run(a)).SendAccountMail(key(t.Context()), &notifyv1.SendAccountMailRequest{Template: "reset", Recipient: "a@example.com"}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a run sent account mail: %v", err)
	}
}

func TestNotesHoldNoSecret(t *testing.T) {
	t.Parallel()
	h := setup(t, startSMTP(t, nil))
	if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), invitation()); err != nil {
		t.Fatal(err)
	}
	err := h.db.System(t.Context(), func(tx pgx.Tx) error {
		var dump string
		if err := tx.QueryRow(t.Context(), "SELECT string_agg(m::text, '') || coalesce((SELECT string_agg(c::text, '') FROM notify.captured c), '') FROM notify.messages m").Scan(&dump); err != nil {
			return err
		}
		if strings.Contains(dump, "s3cret") || !strings.Contains(dump, "bob@example.com") {
			t.Error(dump)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConfigNamesTheFault(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]notify.Config{
		"MSHUB_NOTIFY_FROM": {From: "nobody"},
		"SMTP_URL":          {From: "a@example.com", SMTPURL: "http://user:geheim@host"},
	} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := notify.Config{From: "a@example.com", SMTPURL: "smtps://user:pw@host"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
