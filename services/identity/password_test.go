package identity

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
)

func TestHash(t *testing.T) {
	t.Parallel()
	h := newHasher(1)
	secret, err := h.hash(t.Context(), "a quiet river")
	if err != nil || !strings.HasPrefix(secret, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("got %q, %v", secret, err)
	}
	if again, _ := h.hash(t.Context(), "a quiet river"); again == secret {
		t.Error("the same salt twice")
	}
	for password, want := range map[string]bool{"a quiet river": true, "a quiet river ": false, "A quiet river": false, "": false} {
		if verify(secret, password) != want {
			t.Errorf("%q: not %v", password, want)
		}
	}
	// No account, or something that is no hash: never right.
	for _, broken := range []string{"", "plain", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"} {
		if verify(broken, "") || verify(broken, "plain") {
			t.Errorf("%q fits", broken)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ password, want string }{
		"words":           {"a quiet river", ""},
		"spaces around":   {"  quiet river  ", ""},
		"nothing":         {"", "at least 8"},
		"spaces":          {"          ", "must not be only spaces"},
		"blanks of kinds": {"\t\n \u00a0\u2003\u3000\r\v ", "must not be only spaces"},
		"short":           {"river", "at least 8"},
		"long":            {strings.Repeat("x", 1025), "more than 1024"},
		"common":          {"Password1", "guessed first"},
		"the address":     {"Ann@Example.com", "your address or name"},
		"the name":        {"ann example", "your address or name"},
		"no text":         {"\xff\xfe quiet river", "no valid text"},
	} {
		err := checkPassword("password", c.password, "ann@example.com", "Ann Example")
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// Who finds the queue full is told when to come back; who gives up leaves the queue.
func TestHasherShedsLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(2)
		for range 2 {
			if err := h.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		waited := make(chan error, 2*queueLength)
		for range 2 * queueLength {
			go func() { waited <- h.acquire(ctx) }()
		}
		synctest.Wait()
		if err := h.acquire(t.Context()); connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("got %v", err)
		}
		for range 2 * queueLength {
			if err := <-waited; err == nil {
				t.Error("got a slot that somebody holds")
			}
		}
		h.release()
		if err := h.acquire(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestConfigNamesTheFault(t *testing.T) {
	t.Parallel()
	err := (&Config{InvitationLifetime: time.Second, VerificationLifetime: time.Hour, ResetLifetime: time.Hour, HashWorkers: -1}).Validate()
	if err == nil || !strings.Contains(err.Error(), "MSHUB_IDENTITY_INVITATION_LIFETIME") || !strings.Contains(err.Error(), "MSHUB_IDENTITY_HASH_WORKERS") {
		t.Errorf("got %v", err)
	}
}

func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{"Ann@Example.com ", "mi\u212ae@example.com", "İ@example.com", "e\u0301@x.y", "\xff", "ß@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, email string) {
		if once := normalise(email); normalise(once) != once {
			t.Errorf("%q gives %q, and that gives %q", email, once, normalise(once))
		}
	})
}
