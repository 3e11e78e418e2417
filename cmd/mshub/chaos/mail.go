package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"sync"
)

// postbox is a mail server that keeps the links it is sent, by recipient.
type postbox struct {
	listener net.Listener

	mu    sync.Mutex
	links map[string]string
	mails map[string]int
}

var verifyLink = regexp.MustCompile(`http://[^\s"<>]+/verify\?link=[A-Za-z0-9_-]+`)

func newPostbox() (*postbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &postbox{listener: listener, links: map[string]string{}, mails: map[string]int{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go p.serve(conn)
		}
	}()
	return p, nil
}

func (p *postbox) address() string { return p.listener.Addr().String() }

func (p *postbox) close() { _ = p.listener.Close() }

// serve speaks just enough SMTP.
func (p *postbox) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	c := textproto.NewConn(conn)
	_ = c.PrintfLine("220 chaos")
	recipient := ""
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "RCPT":
			recipient = strings.Trim(strings.TrimPrefix(strings.ToUpper(rest), "TO:"), "<> ")
			_ = c.PrintfLine("250 ok")
		case "DATA":
			_ = c.PrintfLine("354 go on")
			raw, err := io.ReadAll(bufio.NewReader(c.DotReader()))
			if err != nil {
				return
			}
			p.keep(strings.ToLower(recipient), raw)
			_ = c.PrintfLine("250 kept")
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return
		default:
			_ = c.PrintfLine("250 ok")
		}
	}
}

func (p *postbox) keep(recipient string, raw []byte) {
	plain, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(raw)))) // as far as it is
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails[recipient]++
	if link := verifyLink.Find(plain); link != nil {
		p.links[recipient] = string(link)
	}
}

// link waits for the link in a mail to somebody.
func (p *postbox) link(ctx context.Context, recipient string) (string, error) {
	for {
		p.mu.Lock()
		link := p.links[recipient]
		p.mu.Unlock()
		if link != "" {
			return link, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("no mail to %s: %w", recipient, context.Cause(ctx))
		}
		wait(ctx, pollInterval)
	}
}
