package events

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

const (
	// maxTopics is how many topics one connection may follow.
	maxTopics = 128
	// authorizeTimeout bounds the question whether a viewer may see a run.
	authorizeTimeout = 10 * time.Second
)

// closing is why a connection ends.
type closing struct {
	code   closeCode
	reason string // for the viewer; at most 123 bytes
}

// closeCode is a WebSocket close code. Up to 3499 the viewer should reconnect, from 3500 on something must change first.
type closeCode int

const (
	closeGone      closeCode = 0    // the viewer left; nothing is sent
	closeTryAgain  closeCode = 1013 // the signing keys can't be read now
	closeShutdown  closeCode = 3001 // this node is going
	closeExpired   closeCode = 3005 // the token expired or was taken back: come again with a new one
	closeSlow      closeCode = 3008 // more than 1 MiB was waiting: resume from the last seq
	closeNoToken   closeCode = 3500 // no valid token
	closeBadFrames closeCode = 3501 // not this protocol
)

// label is the code's name in metrics.
func (c closeCode) label() string {
	switch c {
	case closeShutdown:
		return "shutdown"
	case closeExpired:
		return "expired"
	case closeSlow:
		return "slow"
	case closeNoToken, closeTryAgain:
		return "unauthenticated"
	case closeBadFrames:
		return "bad_request"
	default:
		return "client"
	}
}

// client is one viewer's connection: who looks, what it follows, what waits for it. Its transport writes the queue and
// ends with it. Topics are changed by one goroutine, the transport's reader.
type client struct {
	hub       *Hub
	transport string // "websocket" or "sse"
	queue     *queue

	follows map[string]func() // topic -> stop; the reader's alone

	mu     sync.Mutex
	caller auth.Caller
	token  string
	expiry *time.Timer
}

func newClient(hub *Hub, transport string) *client {
	return &client{hub: hub, transport: transport, queue: newQueue(hub.ctx), follows: map[string]func(){}}
}

// welcome accepts a token: the first, or a newer one of the same person, in the same organisation. From its expiry on the
// connection is closed.
func (c *client) welcome(caller auth.Caller, token string) error {
	if caller.Kind == auth.Anonymous {
		return rpc.Unauthenticated("NO_TOKEN", "send an access token")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expiry != nil {
		if caller.Actor != c.caller.Actor || caller.Organisation != c.caller.Organisation {
			return rpc.Unauthenticated("TOKEN_FOREIGN", "the new token speaks for somebody else; open another connection")
		}
		c.expiry.Stop()
	}
	c.caller, c.token = caller, token
	c.expiry = time.AfterFunc(caller.Expiry.Sub(c.hub.now()), func() {
		c.queue.close(closing{closeExpired, "the access token has expired: come again with a new one"}, nil)
	})
	return nil
}

// recheck closes the connection if its token was taken back.
func (c *client) recheck(revocations *auth.Revocations) {
	if caller, _ := c.identity(); caller.Kind != auth.Anonymous && revocations.Revoked(caller) {
		c.queue.close(closing{closeExpired, "the access was taken back"}, nil)
	}
}

func (c *client) identity() (auth.Caller, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caller, c.token
}

// follow subscribes to a topic, once permitted; following it already starts again from the new position. The error is the
// viewer's to see.
func (c *client) follow(topic string, after int64) error {
	if stop, ok := c.follows[topic]; ok {
		stop()
		delete(c.follows, topic)
	}
	if len(c.follows) >= maxTopics {
		return rpc.Exhausted(time.Minute, "a connection follows at most %d topics", maxTopics)
	}
	caller, token := c.identity()
	run, ok := runOf(topic)
	if !ok {
		if err := permitHint(caller, topic); err != nil {
			return err
		}
		c.follows[topic] = c.hub.followHint(c, caller.Organisation, topic)
		return nil
	}
	ctx, cancel := context.WithTimeout(c.queue.alive, authorizeTimeout)
	defer cancel()
	if err := c.hub.authorize(ctx, token, run); err != nil {
		if code := connect.CodeOf(err); code == connect.CodeNotFound || code == connect.CodePermissionDenied {
			return err
		}
		return rpc.Public(ctx, c.hub.logger, "live", err)
	}
	c.follows[topic] = c.hub.followRun(c, caller.Organisation, run, after)
	return nil
}

// unfollow ends a subscription; none is no error.
func (c *client) unfollow(topic string) {
	if stop, ok := c.follows[topic]; ok {
		stop()
		delete(c.follows, topic)
	}
}

// leave ends everything of the connection but its transport. Call it once, when the reader has ended.
func (c *client) leave() {
	c.queue.close(closing{code: closeGone}, nil)
	for topic := range c.follows {
		c.unfollow(topic)
	}
	c.mu.Lock()
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.mu.Unlock()
	c.hub.left(c, c.queue.why())
}
