package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
)

const (
	// maxBulkBytes and maxBulkLines bound a file of people: it is held in memory.
	maxBulkBytes = 8 << 20
	maxBulkLines = 20_000
)

// named is a person as a file names one.
type named struct {
	line                     int64
	email, displayName, role string
}

// readPeople fetches a CSV file by its signed link.
func (s *Service) readPeople(ctx context.Context, link string) ([]named, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil || req.URL.Host == "" {
		return nil, rpc.Invalid("sourceUrl", "must be an http or https link")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, linkError(err)
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return nil, rpc.Unavailable("the file store answers %d; try again", res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return nil, rpc.Precondition("SOURCE_GONE", "the link to the file is refused (%d); make a new one", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBulkBytes+1))
	if err != nil {
		return nil, linkError(err)
	}
	if len(text) > maxBulkBytes {
		return nil, rpc.Invalid("file", "is larger than %d MiB; divide it", maxBulkBytes>>20)
	}
	return parsePeople(text)
}

// parsePeople reads a header and a person a line. The delimiter is what the header has: comma, semicolon or tab.
func parsePeople(text []byte) ([]named, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, rpc.Invalid("file", "is not UTF-8 text; save it as CSV in UTF-8")
	}
	head, _, _ := bytes.Cut(text, []byte("\n"))
	reader := csv.NewReader(bytes.NewReader(text))
	reader.FieldsPerRecord = -1
	reader.TrimLeadingSpace = true
	for _, delimiter := range ";\t" {
		if bytes.ContainsRune(head, delimiter) && !bytes.ContainsRune(head, ',') {
			reader.Comma = delimiter
		}
	}
	header, err := reader.Read()
	if err != nil {
		return nil, rpc.Invalid("file", "has no header; its first line names the columns: email,displayName,role")
	}
	column := map[string]int{}
	for i, name := range header {
		column[strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(strings.TrimSpace(name)))] = i
	}
	if _, ok := column["email"]; !ok {
		return nil, rpc.Invalid("file", "has no column email; its first line names the columns: email,displayName,role")
	}
	var people []named
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			return nil, rpc.Invalid("file", "can't be read from line %d on: %s", parse.Line, parse.Err)
		}
		if err != nil {
			return nil, err
		}
		if len(people) == maxBulkLines {
			return nil, rpc.Invalid("file", "names more than %d people; divide it", maxBulkLines)
		}
		line, _ := reader.FieldPos(0)
		cell := func(name string) string {
			i, ok := column[name]
			if !ok || i >= len(row) {
				return ""
			}
			return strings.TrimSpace(row[i])
		}
		name := cell("displayname")
		if name == "" {
			name = cell("name")
		}
		people = append(people, named{line: int64(line), email: cell("email"), displayName: name, role: cell("role")})
	}
	if len(people) == 0 {
		return nil, rpc.Invalid("file", "names nobody")
	}
	return people, nil
}

// listType is the content type of the list; CreateUpload must name it, since the link covers it.
const listType = "text/csv"

// sendList writes lines as CSV to a signed link.
func (s *Service) sendList(ctx context.Context, link string, lines []store.BulkLine) (size int64, sha string, err error) {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	_ = w.Write([]string{"line", "email", "outcome", "reason", "message"})
	for _, l := range lines {
		_ = w.Write([]string{strconv.FormatInt(l.Line, 10), l.Email, l.Outcome, l.Reason, l.Message})
	}
	w.Flush()
	sum := sha256.Sum256(text.Bytes())
	size, sha = int64(text.Len()), hex.EncodeToString(sum[:])
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, link, &text)
	if err != nil || req.URL.Host == "" {
		return 0, "", rpc.Invalid("listUrl", "must be an http or https link")
	}
	req.Header.Set("Content-Type", listType)
	req.Header.Set("If-None-Match", "*") // presigned links of S3 ask for it
	res, err := s.client.Do(req)
	if err != nil {
		return 0, "", linkError(err)
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode < 300, res.StatusCode == http.StatusPreconditionFailed: // 412: an earlier try has sent it
		return size, sha, nil
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return 0, "", rpc.Unavailable("the file store answers %d; try again", res.StatusCode)
	}
	return 0, "", rpc.Precondition("LIST_REFUSED", "the link for the list is refused (%d); make a new one for type %s", res.StatusCode, listType)
}

// linkError hides the link, which is a permission, from logs and answers.
func linkError(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return rpc.Unavailable("the file store can't be reached: %s", err)
}
