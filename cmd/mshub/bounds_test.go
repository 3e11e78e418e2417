package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestSlowSendersKeepNobodyOut: who sends a body byte by byte, or does not take the answer, loses its place after a while;
// who only has to wait for the house does not.
func TestSlowSendersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond
	came := make(chan struct{})
	house := http.NewServeMux()
	house.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	house.HandleFunc("POST /slow", func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		_, _ = io.Copy(w, r.Body)
	})
	house.HandleFunc("POST /unread", func(http.ResponseWriter, *http.Request) { came <- struct{}{} })
	house.HandleFunc("GET /much", func(w http.ResponseWriter, _ *http.Request) {
		came <- struct{}{}
		for part := make([]byte, 1<<20); ; {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	})
	house.HandleFunc("POST /long", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		came <- struct{}{}
		select {
		case <-r.Context().Done():
			http.Error(w, "cut off", http.StatusGone)
		case <-time.After(3 * patience):
		}
	})
	server := httptest.NewServer(bounded(house, 1, patience))
	t.Cleanup(server.Close)
	echo := func() int {
		res, err := http.Post(server.URL+"/echo", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	for what, request := range map[string]string{
		"a body that does not come":     "POST /slow HTTP/1.1\r\nHost: house\r\nContent-Length: 100\r\n\r\nx",
		"a body that nobody waits for":  "POST /unread HTTP/1.1\r\nHost: house\r\nContent-Length: 100\r\n\r\nx",
		"an answer that is left behind": "GET /much HTTP/1.1\r\nHost: house\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		<-came // and has the only place
		for until := time.Now().Add(20 * time.Second); echo() != http.StatusOK; {
			if time.Now().After(until) {
				t.Fatalf("%s keeps others out", what)
			}
		}
	}
	answer := make(chan *http.Response, 1)
	go func() {
		res, err := http.Post(server.URL+"/long", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Error(err)
		}
		answer <- res
	}()
	<-came
	if res := <-answer; res == nil || res.StatusCode != http.StatusOK {
		t.Errorf("a request that the house was long about: %v", res)
	} else {
		_ = res.Body.Close()
	}
}
