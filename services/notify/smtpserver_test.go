package notify_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// smtpServer is a small real mail server: it speaks enough SMTP to take mails, and refuses what the test tells it to.
type smtpServer struct {
	address string

	mu    sync.Mutex
	mails []received
	// refuse answers a command (its first word) with a line such as "550 no"; "" = accept.
	refuse func(command string) string
}

type received struct{ from, to, data string }

func startSMTP(t *testing.T, refuse func(command string) string) *smtpServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{address: "smtp://" + listener.Addr().String(), refuse: refuse}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				s.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return s
}

func (s *smtpServer) serve(conn net.Conn) {
	in := bufio.NewScanner(conn)
	answer := func(line string) { _, _ = fmt.Fprintf(conn, "%s\r\n", line) }
	answer("220 test")
	var mail received
	for in.Scan() {
		line := in.Text()
		command := strings.ToUpper(strings.Fields(line + " ?")[0])
		if s.refuse != nil {
			if no := s.refuse(command); no != "" {
				answer(no)
				continue
			}
		}
		switch command {
		case "MAIL":
			mail = received{from: line}
			answer("250 ok")
		case "RCPT":
			mail.to += line + "\n"
			answer("250 ok")
		case "DATA":
			answer("354 go on")
			for in.Scan() && in.Text() != "." {
				mail.data += in.Text() + "\n"
			}
			s.mu.Lock()
			s.mails = append(s.mails, mail)
			s.mu.Unlock()
			answer("250 taken")
		case "QUIT":
			answer("221 bye")
			return
		default:
			answer("250 ok")
		}
	}
}

func (s *smtpServer) received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}
