package notify

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/config"
)

// secret is the key of a webhook's signatures: 32 random bytes.
type secret []byte

func newSecret() secret {
	s := make(secret, 32)
	_, _ = rand.Read(s) // never fails
	return s
}

// text is how the secret is shown, once.
func (s secret) text() string { return "whsec_" + base64.StdEncoding.EncodeToString(s) }

// String keeps the secret out of whatever prints it.
func (s secret) String() string { return "***" }

// sign makes a signature as Standard Webhooks has it: version, comma, base64 of HMAC-SHA256 over id, time and body.
func (s secret) sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signatures are those of all secrets that hold, divided by spaces.
func signatures(secrets []secret, id string, at time.Time, body []byte) string {
	all := make([]string, len(secrets))
	for i, s := range secrets {
		all[i] = s.sign(id, at, body)
	}
	return strings.Join(all, " ")
}

// secretBox seals the secrets of webhooks under keys derived from the installation's: the first seals, all open.
// AES-256-GCM; the webhook's id is bound to the ciphertext, so rows can't be exchanged.
type secretBox []cipher.AEAD

func newSecretBox(keys config.Keys) (secretBox, error) {
	var box secretBox
	for _, key := range keys.Derive("notify/webhooks") {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		box = append(box, aead)
	}
	if len(box) == 0 {
		return nil, errors.New("the secrets of webhooks need MSHUB_SECRET_KEYS")
	}
	return box, nil
}

func (b secretBox) seal(webhook uuid.UUID, s secret) []byte {
	return b[0].Seal(nil, nil, s, webhook[:]) //nolint:gosec // the box makes a random nonce
}

func (b secretBox) open(webhook uuid.UUID, sealed []byte) (secret, error) {
	for _, aead := range b {
		if plain, err := aead.Open(nil, nil, sealed, webhook[:]); err == nil {
			return plain, nil
		}
	}
	return nil, errors.New("no key of MSHUB_SECRET_KEYS opens the secret of the webhook; put the key that was there when it was made back into the list")
}
