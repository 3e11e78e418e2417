package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/url"
	"strconv"
	"time"
)

// Link is a permission to do one thing with one blob until a time; every field is under the signature.
type Link struct {
	// Method is GET (HEAD included) or PUT.
	Method string
	Key    string
	Expiry time.Time
	// ContentType is what a PUT must say and what a GET answers.
	ContentType string
	// Size is the exact number of bytes of a PUT; 0 = open, up to MaxSize.
	Size    int64
	MaxSize int64
	// FileName is offered to the person who downloads.
	FileName string
}

// Errors of OpenLink.
var (
	ErrAltered = errors.New("the link is not one of ours, or was altered")
	ErrExpired = errors.New("the link has expired; ask for a new one")
)

// Query signs the link with the first key and writes it as a URL query.
func (l Link) Query(keys [][]byte) string {
	q := url.Values{}
	q.Set("m", l.Method)
	q.Set("k", l.Key)
	q.Set("e", strconv.FormatInt(l.Expiry.Unix(), 10))
	q.Set("t", l.ContentType)
	q.Set("s", strconv.FormatInt(l.Size, 10))
	q.Set("x", strconv.FormatInt(l.MaxSize, 10))
	q.Set("n", l.FileName)
	q.Set("sig", base64.RawURLEncoding.EncodeToString(l.sign(keys[0])))
	return q.Encode()
}

// OpenLink reads a query that Query wrote; any of the keys may have signed it.
func OpenLink(keys [][]byte, q url.Values, now time.Time) (Link, error) {
	expiry, err1 := strconv.ParseInt(q.Get("e"), 10, 64)
	size, err2 := strconv.ParseInt(q.Get("s"), 10, 64)
	maxSize, err3 := strconv.ParseInt(q.Get("x"), 10, 64)
	signature, err4 := base64.RawURLEncoding.DecodeString(q.Get("sig"))
	if errors.Join(err1, err2, err3, err4) != nil {
		return Link{}, ErrAltered
	}
	l := Link{
		Method: q.Get("m"), Key: q.Get("k"), Expiry: time.Unix(expiry, 0), ContentType: q.Get("t"),
		Size: size, MaxSize: maxSize, FileName: q.Get("n"),
	}
	for _, key := range keys {
		if hmac.Equal(signature, l.sign(key)) {
			if !now.Before(l.Expiry) {
				return Link{}, ErrExpired
			}
			return l, nil
		}
	}
	return Link{}, ErrAltered
}

// sign covers each field with its length before it, so that no two links read the same.
func (l Link) sign(key []byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, field := range []string{
		l.Method, l.Key, strconv.FormatInt(l.Expiry.Unix(), 10), l.ContentType,
		strconv.FormatInt(l.Size, 10), strconv.FormatInt(l.MaxSize, 10), l.FileName,
	} {
		_ = binary.Write(mac, binary.BigEndian, uint32(len(field)))
		mac.Write([]byte(field))
	}
	return mac.Sum(nil)
}
