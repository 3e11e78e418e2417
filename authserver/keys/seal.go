package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"

	"github.com/microservicehub/mshub/internal/config"
)

// sealer encrypts private keys under keys derived from the installation's secret keys: the first seals, all open.
// AES-256-GCM; the kid is bound to the ciphertext, so rows can't be exchanged.
type sealer struct{ boxes []cipher.AEAD }

var errCannotOpen = errors.New("no key of MSHUB_SECRET_KEYS opens it; put the key that was there when it was made back into the list")

func newSealer(keys config.Keys) (sealer, error) {
	var s sealer
	for _, key := range keys.Derive("authserver/signing-keys") {
		block, err := aes.NewCipher(key)
		if err != nil {
			return s, err
		}
		box, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return s, err
		}
		s.boxes = append(s.boxes, box)
	}
	if len(s.boxes) == 0 {
		return s, errors.New("the signing keys need MSHUB_SECRET_KEYS")
	}
	return s, nil
}

func (s sealer) seal(kid string, private *ecdsa.PrivateKey) ([]byte, error) {
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return s.boxes[0].Seal(nil, nil, plain, []byte(kid)), nil //nolint:gosec // the box makes a random nonce
}

func (s sealer) open(kid string, sealed []byte) (*ecdsa.PrivateKey, error) {
	for _, box := range s.boxes {
		plain, err := box.Open(nil, nil, sealed, []byte(kid))
		if err != nil {
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(plain)
		if err != nil {
			return nil, err
		}
		private, ok := key.(*ecdsa.PrivateKey)
		if !ok {
			return nil, errors.New("is no ECDSA key")
		}
		return private, nil
	}
	return nil, errCannotOpen
}
