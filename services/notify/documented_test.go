package notify_test

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/microservicehub/mshub/events"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

const (
	webhookPage     = "../../docs/processes/webhookdelivery.md"
	webhookReceiver = "../../examples/webhook_receiver.py"
)

// block is the page's code in a language.
func block(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile(webhookPage)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatalf("%s shows no %s", webhookPage, language)
	}
	return string(found[1])
}

// The receiver that people are shown takes our deliveries, each once, and nobody else's.
func TestDocumentedReceiver(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	script, err := os.ReadFile(webhookReceiver)
	if err != nil || !strings.Contains(string(script), strings.TrimSpace(block(t, "python"))) {
		t.Errorf("%s and %s differ: %v", webhookPage, webhookReceiver, err)
	}
	h := setupHooks(t, webhookConfig())
	made := h.create("*")
	receiver := exec.CommandContext(t.Context(), python, webhookReceiver, "0")
	receiver.Env = append(os.Environ(), "WEBHOOK_SECRET="+made.GetSecret())
	out, err := receiver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = receiver.Process.Kill(); _ = receiver.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the receiver does not start")
	}
	address := strings.TrimPrefix(lines.Text(), "listening on ")
	name := made.GetWebhook().GetName()
	if _, err := h.person().UpdateWebhook(t.Context(), &notifyv1.UpdateWebhookRequest{Webhook: &notifyv1.Webhook{Name: name, Url: address}}); err != nil {
		t.Fatal(err)
	}
	h.publish(h.organisation, events.FactRunFailed)
	h.tell()
	delivery := h.deliveries(name)[0].GetName()
	for range 2 { // the second is a replay
		if res, err := h.deliver(delivery); err != nil || res.GetDelivery().GetLastStatus() != http.StatusNoContent {
			t.Fatalf("%v, %v", res, err)
		}
		if _, err := h.person().RedeliverDelivery(t.Context(), &notifyv1.RedeliverDeliveryRequest{Name: delivery}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.person().RotateWebhookSecret(t.Context(), &notifyv1.RotateWebhookSecretRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.deliver(delivery); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("signed with another secret: %v", err)
	}
	_ = receiver.Process.Kill()
	var printed []string
	for lines.Scan() {
		printed = append(printed, lines.Text())
	}
	if len(printed) != 1 || !strings.HasPrefix(printed[0], `runs.run.failed {"`) {
		t.Errorf("printed %q", printed)
	}
}

// The Go that people are shown compiles, and tells ours from others.
func TestDocumentedGo(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made, delivery := h.pending()
	if _, err := h.deliver(delivery); err != nil {
		t.Fatal(err)
	}
	dir, sent := t.TempDir(), h.posts()[0]
	program := `package main

import ("crypto/hmac"; "crypto/sha256"; "encoding/base64"; "errors"; "fmt"; "net/http"; "os"; "strconv"; "strings"; "time")

` + block(t, "go") + `
func main() {
	header := http.Header{}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} { header.Set(name, os.Getenv(name)) }
	if err := verify(os.Getenv("secret"), header, []byte(os.Getenv("body"))); err != nil { fmt.Println(err); os.Exit(1) }
}
`
	for name, content := range map[string]string{"main.go": program, "go.mod": "module example\n\ngo 1.26\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", "verify", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	verify := func(body, secret, at string) (string, error) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "verify"))
		cmd.Env = []string{"body=" + body, "secret=" + secret, "webhook-timestamp=" + at}
		for _, name := range []string{"webhook-id", "webhook-signature"} {
			cmd.Env = append(cmd.Env, name+"="+sent.header.Get(name))
		}
		var out bytes.Buffer
		cmd.Stdout = &out
		err := cmd.Run()
		return out.String(), err
	}
	at := sent.header.Get("Webhook-Timestamp")
	if out, err := verify(sent.body, made.GetSecret(), at); err != nil {
		t.Errorf("ours: %v %s", err, out)
	}
	for what, call := range map[string]func() (string, error){
		"an altered body":  func() (string, error) { return verify(sent.body+" ", made.GetSecret(), at) },
		"another secret":   func() (string, error) { return verify(sent.body, "whsec_AAAA", at) },
		"played once more": func() (string, error) { return verify(sent.body, made.GetSecret(), "1000000000") },
	} {
		if _, err := call(); err == nil {
			t.Errorf("%s verifies", what)
		}
	}
}
