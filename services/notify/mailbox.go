package notify

import (
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/microservicehub/mshub/services/notify/store"
)

//go:embed mailbox.html
var mailboxPage string

// address finds links in a mail's text.
var address = regexp.MustCompile(`https?://[^\s<>"']+`)

// MailboxHandler shows captured mail: a page for people, `?format=json` for programs, `?to=` for one recipient. The mails
// hold one-time links, so it answers this machine alone: the peer must be loopback, and so must the host that the browser
// asked for, or else a page elsewhere could have a name of its own point here.
func MailboxHandler(captured *Captured, logger *slog.Logger) http.Handler {
	page := template.Must(template.New("mailbox").Parse(mailboxPage))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromHere(r) {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the mailbox can only be read", http.StatusMethodNotAllowed)
			return
		}
		rows, err := captured.list(r.Context(), r.URL.Query().Get("to"))
		if err != nil {
			logger.ErrorContext(r.Context(), "the mailbox can't be read", "error", err)
			http.Error(w, "the mailbox can't be read now", http.StatusServiceUnavailable)
			return
		}
		mails := make([]mailboxMail, 0, len(rows))
		for _, row := range rows {
			mails = append(mails, newMailboxMail(row))
		}
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		if r.URL.Query().Get("format") == "json" {
			header.Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"mails": mails})
			return
		}
		nonce := rand.Text()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'nonce-%s'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'", nonce))
		if err := page.Execute(w, map[string]any{"Mails": mails, "Nonce": nonce}); err != nil {
			logger.WarnContext(r.Context(), "the mailbox was not sent whole", "error", err)
		}
	})
}

func fromHere(r *http.Request) bool {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !loopback(peer) {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return loopback(strings.Trim(host, "[]"))
}

// mailboxMail is a captured mail as the mailbox shows it.
type mailboxMail struct {
	ID        string    `json:"id"`
	MessageID string    `json:"messageId"`
	Time      time.Time `json:"time"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	// Links found in the text, in order.
	Links []string `json:"links"`
	// Parts of the text; every second one is a link.
	Parts []textPart `json:"-"`
}

type textPart struct{ Text, Link string }

func newMailboxMail(row store.CapturedMail) mailboxMail {
	m := mailboxMail{
		ID: row.ID.String(), MessageID: row.MessageID, Time: row.CreatedAt.UTC(), From: row.Sender, To: row.Recipient,
		Subject: row.Subject, Text: row.Text, HTML: row.Html, Links: []string{},
	}
	rest := row.Text
	for _, at := range address.FindAllStringIndex(row.Text, -1) {
		link := row.Text[at[0]:at[1]]
		before := row.Text[len(row.Text)-len(rest) : at[0]]
		m.Parts = append(m.Parts, textPart{Text: before}, textPart{Link: link})
		m.Links = append(m.Links, link)
		rest = row.Text[at[1]:]
	}
	m.Parts = append(m.Parts, textPart{Text: rest})
	return m
}
