package protocol

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Prefixes of secrets that leave the house, so that scanners of repositories and logs can find them.
const (
	CodePrefix    = "mshub_ac_"
	RefreshPrefix = "mshub_rt_"
	SecretPrefix  = "mshub_cs_" //nolint:gosec // the beginning of a secret, none itself
)

// RandomSecret returns 256 random bits in text.
func RandomSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Hash is how secrets are stored. They have 256 bits, so one round of SHA-256 is enough.
func Hash(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}
