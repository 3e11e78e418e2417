package keys

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite/token/jwt"
)

// Signer makes the ring fosite's jwt.Signer. fosite's own verifies with one key only, so ID tokens would die at the
// first rotation; this one finds the key by its kid.
type Signer struct{ Ring *Ring }

var _ jwt.Signer = Signer{}

// Generate signs claims as an ID token.
func (s Signer) Generate(ctx context.Context, claims jwt.MapClaims, _ jwt.Mapper) (token, signature string, err error) {
	token, err = s.Ring.Sign(ctx, "JWT", map[string]any(claims)) // go-jose takes no named map
	if err != nil {
		return "", "", err
	}
	signature, err = s.GetSignature(ctx, token)
	return token, signature, err
}

// Validate returns the signature of a token that is valid.
func (s Signer) Validate(ctx context.Context, token string) (string, error) {
	if _, err := s.Decode(ctx, token); err != nil {
		return "", err
	}
	return s.GetSignature(ctx, token)
}

// Decode verifies a token's signature and times. An expired one is returned beside the error.
func (s Signer) Decode(ctx context.Context, token string) (*jwt.Token, error) {
	return jwt.ParseWithClaims(token, jwt.MapClaims{}, func(t *jwt.Token) (any, error) {
		if t.Method != jose.ES256 {
			return nil, errors.New("is not signed with " + algorithm)
		}
		kid, _ := t.Header["kid"].(string)
		key, ok := s.Ring.key(ctx, kid)
		if !ok {
			return nil, errors.New("is signed with an unknown key")
		}
		return key.Key, nil
	})
}

// GetSignature returns the third part of a token.
func (Signer) GetSignature(_ context.Context, token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("is not a JWT")
	}
	return parts[2], nil
}

// Hash is SHA-256, the hash of ES256.
func (Signer) Hash(_ context.Context, in []byte) ([]byte, error) {
	sum := sha256.Sum256(in)
	return sum[:], nil
}

// GetSigningMethodLength is the length of the hash.
func (Signer) GetSigningMethodLength(context.Context) int { return sha256.Size }
