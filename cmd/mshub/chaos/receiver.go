package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// receiver is another system that hears by webhook how runs end. Every seventh call it is not well.
type receiver struct {
	server *http.Server
	url    string
	key    atomic.Pointer[[]byte]
	calls  atomic.Int64

	mu sync.Mutex
	// told has the ids under which the end of a run was told and taken, by run.
	told map[string]map[string]bool
	// forged counts calls whose signature does not fit.
	forged int
}

func newReceiver() (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + listener.Addr().String() + "/hook", told: map[string]map[string]bool{}}
	r.server = &http.Server{Handler: http.HandlerFunc(r.take), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }()
	return r, nil
}

// subscribe makes the webhook and keeps its secret.
func (r *receiver) subscribe(ctx context.Context, admin *client) error {
	made, err := admin.do(ctx, http.MethodPost, "/v1/webhooks", "chaos-webhook", map[string]any{"title": "Chaos", "url": r.url, "events": []string{"runs.run.*"}})
	if err != nil {
		return fmt.Errorf("the webhook: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text(made["secret"]), "whsec_"))
	r.key.Store(&key)
	return err
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil || r.calls.Add(1)%7 == 0 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	id := req.Header.Get("Webhook-Id")
	mac := hmac.New(sha256.New, *r.key.Load())
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, req.Header.Get("Webhook-Timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	var event struct{ Data struct{ Run string } }
	r.mu.Lock()
	defer r.mu.Unlock()
	if !strings.Contains(req.Header.Get("Webhook-Signature"), want) || json.Unmarshal(body, &event) != nil {
		r.forged++
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.told[event.Data.Run] == nil {
		r.told[event.Data.Run] = map[string]bool{}
	}
	r.told[event.Data.Run][id] = true
}

func (r *receiver) close() { _ = r.server.Close() }
