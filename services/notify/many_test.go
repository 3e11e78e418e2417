package notify_test

import (
	"net/mail"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

func mailTo(recipient string) *notifyv1.SendMailRequest {
	mail := invitation()
	mail.Recipient = recipient
	return mail
}

func TestManyMailsAreSentOnceEach(t *testing.T) {
	t.Parallel()
	var recipients atomic.Int32
	server := startSMTP(t, func(command string) string {
		if command == "RCPT" && recipients.Add(1) == 2 { // they come in order
			return "550 no such mailbox"
		}
		return ""
	})
	h := setup(t, server)
	ctx := key(t.Context())
	caller := run(uuid.New())
	req := &notifyv1.SendMailsRequest{Mails: []*notifyv1.SendMailRequest{mailTo("a@example.com"), mailTo("nobody@example.com"), mailTo("b@example.com")}}
	first, err := h.as(caller).SendMails(ctx, req)
	if err != nil || first.GetSent() != 2 || len(first.GetRefused()) != 1 || first.GetRefused()[0].GetIndex() != 1 || first.GetRefused()[0].GetReason() == "" {
		t.Fatalf("%v, %v", first, err)
	}
	// Repeated, what was refused is tried again, what was sent is not.
	again, err := h.as(caller).SendMails(ctx, req)
	if err != nil || again.GetSent() != 3 || len(again.GetRefused()) != 0 {
		t.Errorf("%v, %v", again, err)
	}
	if n := len(server.received()); n != 3 {
		t.Errorf("%d mails left", n)
	}
	if _, err := h.as(caller).SendMails(t.Context(), req); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("without a key: %v", err)
	}
}

func TestMailsOfSomebodyWhoIsErased(t *testing.T) {
	t.Parallel()
	h := setup(t, nil)
	here, there := uuid.New(), uuid.New()
	for _, organisation := range []uuid.UUID{here, there} {
		for _, recipient := range []string{"Bob@example.com", "ada@example.com"} {
			if _, err := h.as(run(organisation)).SendMail(key(t.Context()), mailTo(recipient)); err != nil {
				t.Fatal(err)
			}
		}
	}
	erase := func(dry bool) int64 {
		res, err := h.as(run(here)).EraseMessages(key(t.Context()), &notifyv1.EraseMessagesRequest{Email: "bob@EXAMPLE.com", DryRun: dry})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetMessages()
	}
	recipients := func(organisation uuid.UUID) []string {
		list, err := h.as(reader(organisation)).ListMessages(t.Context(), &notifyv1.ListMessagesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, m := range list.GetMessages() {
			all = append(all, m.GetRecipient())
		}
		return all
	}
	if n := erase(true); n != 1 || len(recipients(here)) != 2 || recipients(here)[1] != "Bob@example.com" {
		t.Errorf("a dry run: %d, %v", n, recipients(here))
	}
	if n := erase(false); n != 1 {
		t.Errorf("%d", n)
	}
	if n := erase(false); n != 0 {
		t.Errorf("again: %d", n)
	}
	if diff := cmp.Diff([]string{"ada@example.com", "erased"}, recipients(here)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ada@example.com", "Bob@example.com"}, recipients(there)); diff != "" {
		t.Errorf("another organisation: %s", diff)
	}
	if _, err := h.as(auth.Caller{Kind: auth.User, Organisation: here, Permissions: []string{"*"}, Scopes: []string{"admin"}}).EraseMessages(t.Context(), &notifyv1.EraseMessagesRequest{Email: "x@example.com"}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a person erased: %v", err)
	}
}

// TestMailThatCanBeEnded carries the address for people, in both texts, and for mail programs, in the headers.
func TestMailThatCanBeEnded(t *testing.T) {
	t.Parallel()
	server := startSMTP(t, nil)
	h := setup(t, server)
	ended := mailTo("bob@example.com")
	ended.Unsubscribe = publicURL + "/unsubscribe?link=" + strings.Repeat("AB_-", 40)
	ended.Values["unsubscribe"] = "https://evil.example/"
	for _, m := range []*notifyv1.SendMailRequest{mailTo("ada@example.com"), ended} {
		if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), m); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"", ended.GetUnsubscribe()} {
		parsed, err := mail.ReadMessage(strings.NewReader(server.received()[i].data))
		if err != nil {
			t.Fatal(err)
		}
		header, post := "", ""
		if want != "" {
			header, post = "<"+want+">", "List-Unsubscribe=One-Click"
		}
		if got := parsed.Header.Get("List-Unsubscribe"); got != header || parsed.Header.Get("List-Unsubscribe-Post") != post {
			t.Errorf("headers: %q, %q", got, parsed.Header.Get("List-Unsubscribe-Post"))
		}
	}
	captured := setup(t, nil)
	if _, err := captured.as(run(uuid.New())).SendMail(key(t.Context()), ended); err != nil {
		t.Fatal(err)
	}
	var text, html string
	if err := captured.db.Global(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT text, html FROM notify.captured").Scan(&text, &html)
	}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(text, "\nNo more of these mails: "+ended.GetUnsubscribe()+"\n") || !strings.Contains(html, `<a href="`+ended.GetUnsubscribe()+`"`) || strings.Contains(html, "evil") {
		t.Errorf("%s\n%s", text, html)
	}
	for _, bad := range []string{"https://evil.example/unsubscribe", publicURL + "/x> <mailto:a@evil.example", "javascript:alert(1)"} {
		m := mailTo("bob@example.com")
		m.Unsubscribe = bad
		if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), m); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
