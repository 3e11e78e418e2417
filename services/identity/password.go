package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/microservicehub/mshub/internal/rpc"
)

// argon2id as OWASP recommends at least: 19 MiB, two passes, one lane; about 20 ms of a core.
const (
	argonMemory = 19456 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonKey    = 32
	argonSalt   = 16
)

// Bounds of a password, in characters.
const (
	minPassword = 8
	maxPassword = 1024
)

//go:embed passwords.txt
var commonList string

// common reports whether a password is among the first that anyone guesses.
var common = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(commonList) {
		set[strings.TrimSpace(line)] = true
	}
	return set
})

// checkPassword holds the only rules there are: long enough, not blank, not among the common ones, not the address or name itself.
// What characters it has is the person's own affair; bytes are kept exactly as received, without normalisation.
func checkPassword(field, password, email, displayName string) error {
	lower := strings.ToLower(password)
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return rpc.Invalid(field, "is no valid text")
	case n < minPassword:
		return rpc.Invalid(field, "needs at least %d characters", minPassword)
	case n > maxPassword:
		return rpc.Invalid(field, "has more than %d characters", maxPassword)
	case strings.TrimSpace(password) == "":
		return rpc.Invalid(field, "must not be only spaces")
	case common()[lower]:
		return rpc.Invalid(field, "is one of the passwords that are guessed first; choose another")
	case lower == normalise(email) || lower == strings.ToLower(displayName):
		return rpc.Invalid(field, "must not be your address or name")
	}
	return nil
}

// hasher computes argon2id, never more at once than it has slots: each takes a core and 19 MiB. Callers wait in a queue
// of bounded length; who finds it full is sent away rather than kept until it gives up.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
	most    int64
}

// queueLength a slot: at about 20 ms each the last one waits less than a second.
const queueLength = 32

func newHasher(slots int) *hasher {
	return &hasher{slots: make(chan struct{}, slots), most: int64(slots * (queueLength + 1))}
}

// acquire waits for a slot; call release after.
func (h *hasher) acquire(ctx context.Context) error {
	if h.waiting.Add(1) > h.most {
		h.waiting.Add(-1)
		return rpc.Exhausted(time.Second, "too many people sign in at this moment; try again in a second")
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		h.waiting.Add(-1)
		return ctx.Err()
	}
}

func (h *hasher) release() {
	<-h.slots
	h.waiting.Add(-1)
}

// hash makes the PHC string that is stored.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	salt := make([]byte, argonSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// verify compares in constant time. An empty secret (no account, no password) costs the same and is never right.
// The caller holds a slot.
func verify(secret, password string) bool {
	memory, passes, lanes := uint32(argonMemory), uint32(argonTime), uint8(argonLanes)
	salt, want := make([]byte, argonSalt), make([]byte, argonKey)
	known := secret != ""
	if known {
		var version int
		parts := strings.Split(secret, "$")
		if len(parts) != 6 || parts[1] != "argon2id" {
			return false
		}
		var errSalt, errKey error
		_, errVersion := fmt.Sscanf(parts[2], "v=%d", &version)
		_, errParams := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes)
		salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
		want, errKey = base64.RawStdEncoding.DecodeString(parts[5])
		if errVersion != nil || version != argon2.Version || errParams != nil || errSalt != nil || errKey != nil || len(want) == 0 {
			return false
		}
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known
}
