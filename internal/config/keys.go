package config

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Keys are the master keys of an installation (MSHUB_SECRET_KEYS): the first seals, all open. Every other secret of the
// house is derived from them, so that one list is all that has to be kept and rotated.
type Keys [][]byte

// ParseKeys reads a comma-separated list of base64 keys of 32 bytes.
func ParseKeys(list Secret) (Keys, error) {
	var keys Keys
	for text := range strings.SplitSeq(list.Reveal(), ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != 32 {
			return nil, Fault("MSHUB_SECRET_KEYS", "each key is 32 random bytes in base64 (make one: `openssl rand -base64 32`), separated by commas")
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Derive returns 32 bytes for a purpose ("fosite", "service/worker") from each master key, the sealing one first.
func (k Keys) Derive(purpose string) [][]byte {
	derived := make([][]byte, 0, len(k))
	for _, master := range k {
		key, err := hkdf.Key(sha256.New, master, nil, "mshub/"+purpose, 32)
		if err != nil {
			panic(err) // 32 bytes are always within HKDF's limit
		}
		derived = append(derived, key)
	}
	return derived
}
