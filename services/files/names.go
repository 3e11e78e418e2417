package files

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const octetStream = "application/octet-stream"

// cleanName keeps the last part of a path and refuses what no file can be called.
func cleanName(name string) (string, error) {
	name = strings.TrimSpace(path.Base(strings.ReplaceAll(name, `\`, "/")))
	switch {
	case name == "" || name == "." || name == ".." || name == "/":
		return "", errors.New("name the file, such as flights.csv.gz")
	case len(name) > 255:
		return "", fmt.Errorf("is %d bytes long; at most 255 are allowed", len(name))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.ContainsFunc(name, turnsText):
		return "", errors.New("contains characters that no file name may have")
	}
	return name, nil
}

// turnsText knows the characters that write text backwards: "gpj.exe" would read as "exe.jpg".
func turnsText(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 }

// declaredType is what the uploader says, for the PUT's header only; the file gets the sniffed type.
func declaredType(contentType string) string {
	if media, _, err := mime.ParseMediaType(contentType); err == nil && strings.Contains(media, "/") {
		return contentType
	}
	return octetStream
}

// sniff tells a type from the first bytes (at most 512 count); the name only chooses between kinds of text.
func sniff(head []byte, name string) string {
	switch detected := http.DetectContentType(head); {
	case len(head) == 0:
		return octetStream
	case detected == "application/x-gzip":
		return "application/gzip"
	case !strings.HasPrefix(detected, "text/plain"):
		return detected
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".json":
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// attachment is a Content-Disposition that saves under the name: plain ASCII for old clients, UTF-8 for all others.
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%;`, r) {
			return '_'
		}
		return r
	}, name)
	var encoded strings.Builder
	for _, b := range []byte(name) {
		if 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("!#$&+-.^_`|~", b) >= 0 {
			encoded.WriteByte(b)
		} else {
			fmt.Fprintf(&encoded, "%%%02X", b)
		}
	}
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, ascii, encoded.String())
}
