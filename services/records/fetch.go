package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/egress"
	"github.com/microservicehub/mshub/internal/rpc"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// source is what was read, as its server names it.
type source struct {
	name string
	size int64  // packed bytes; 0 if the server does not say
	tag  string // its ETag, or the time it was changed last
}

// open the source of an import.
func (s *Service) open(ctx context.Context, caller auth.Caller, in *recordsv1.PlanImportRequest) (io.ReadCloser, source, error) {
	switch external := in.GetExternalUrl(); {
	case external != "" && in.GetSourceUrl() != "":
		return nil, source{}, rpc.Invalid("sourceUrl", "give either a file or a URL")
	case strings.HasPrefix(external, "s3://"):
		return s.sources.object(ctx, caller, external, s.config.MaxBytes)
	case external != "":
		return s.sources.page(ctx, external, s.config.MaxBytes)
	}
	body, source, err := s.fetch(ctx, in.GetSourceUrl())
	return body, source, err
}

// fetch opens a signed link to our own files.
func (s *Service) fetch(ctx context.Context, link string) (io.ReadCloser, source, error) {
	u, err := url.Parse(link)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, source{}, rpc.Invalid("sourceUrl", "must be an http or https link")
	}
	res, err := get(ctx, s.client, link, nil)
	if err != nil {
		return nil, source{}, sourceError(err)
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		if res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
			return nil, source{}, rpc.Unavailable("the file store answers %d; try again", res.StatusCode)
		}
		return nil, source{}, rpc.Precondition("SOURCE_GONE", "the link to the file is refused (%d); make a new one", res.StatusCode)
	}
	return res.Body, sourceOf(res, ""), nil
}

func get(ctx context.Context, client *http.Client, link string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Accept-Encoding", "identity") // the file as it is, packed or not
	return client.Do(req)
}

// sourceOf an answer. The fallback names it where the server does not.
func sourceOf(res *http.Response, fallback string) source {
	src := source{name: fallback, size: max(res.ContentLength, 0), tag: cmp.Or(res.Header.Get("ETag"), res.Header.Get("Last-Modified"))}
	if _, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		src.name = params["filename"]
	}
	return src
}

// sourceError is of a call to our own files.
func sourceError(err error) error { return unreachable("the file store", err) }

// unreachable hides a link, which may be a permission, from logs and answers, and the address that its name leads to.
func unreachable(who string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, egress.ErrForbidden), errors.Is(err, egress.ErrPlain):
		return rpc.Invalid("sourceUrl", "can't be read: %s", egress.Fault(err))
	}
	return rpc.Unavailable("%s can't be reached: %s", who, egress.Fault(err))
}

// redirects that a source may send us through, each judged as the first address was.
const redirects = 5

// page opens an address of the web that the policy allows.
func (p *sources) page(ctx context.Context, link string, most int64) (io.ReadCloser, source, error) {
	res, link, err := p.follow(ctx, link)
	if err != nil {
		return nil, source{}, err
	}
	if err := refusal(res.StatusCode); err != nil {
		_ = res.Body.Close()
		return nil, source{}, err
	}
	src := sourceOf(res, nameOf(link))
	if src.size > most {
		_ = res.Body.Close()
		return nil, source{}, tooBig(most)
	}
	tag := res.Header.Get("ETag")
	if strings.HasPrefix(tag, "W/") {
		tag = ""
	}
	again := func(ctx context.Context, from int64) (io.ReadCloser, error) {
		if tag == "" || res.Header.Get("Accept-Ranges") != "bytes" {
			return nil, rpc.Unavailable("the source stopped sending; try again")
		}
		part, err := get(ctx, p.client, link, http.Header{"Range": {fmt.Sprintf("bytes=%d-", from)}, "If-Match": {tag}})
		if err != nil {
			return nil, unreachable("the source", err)
		}
		if part.StatusCode == http.StatusPartialContent && part.Header.Get("ETag") == tag {
			return part.Body, nil
		}
		_ = part.Body.Close()
		if part.StatusCode >= 500 {
			return nil, rpc.Unavailable("the source answers %d; try again", part.StatusCode)
		}
		return nil, errSourceChanged
	}
	return newPatient(ctx, res.Body, most, again), src, nil
}

// follow redirects by hand.
func (p *sources) follow(ctx context.Context, link string) (*http.Response, string, error) {
	for range redirects {
		if err := p.allowed(link); err != nil {
			return nil, "", err
		}
		res, err := get(ctx, p.client, link, nil)
		if err != nil {
			return nil, "", unreachable("the source", err)
		}
		target, unknown := res.Location()
		if res.StatusCode < 300 || res.StatusCode >= 400 || unknown != nil {
			return res, link, nil //nolint:nilerr // a redirect that names no address is an answer like others
		}
		_ = res.Body.Close()
		link = target.String()
	}
	return nil, "", rpc.Invalid("sourceUrl", "leads from one address to the next more than %d times; name the last one", redirects)
}

var errSourceChanged = rpc.Precondition("SOURCE_CHANGED", "the source was changed while it was read; start again")

func refusal(status int) error {
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusNotFound || status == http.StatusGone:
		return rpc.Precondition("SOURCE_GONE", "there is nothing at the source's address (%d)", status)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return rpc.Precondition("SOURCE_DENIED", "the source's server refuses to send it (%d); is it for signed-in people alone?", status)
	case status >= 500 || status == http.StatusTooManyRequests:
		return rpc.Unavailable("the source answers %d; try again", status)
	}
	return rpc.Precondition("SOURCE_REFUSED", "the source answers %d; name an address that answers with the file", status)
}

func tooBig(most int64) error {
	return rpc.Invalid("sourceUrl", "is larger than the %d bytes that an import may read", most)
}

func nameOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	if name := path.Base(u.Path); name != "." && name != "/" {
		return name
	}
	return u.Hostname()
}
