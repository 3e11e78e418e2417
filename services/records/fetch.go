package records

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/microservicehub/mshub/internal/rpc"
)

// fetch opens a signed link. The name is what the link's server calls the file, or "".
func (s *Service) fetch(ctx context.Context, link string) (body io.ReadCloser, name string, err error) {
	u, err := url.Parse(link)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, "", rpc.Invalid("sourceUrl", "must be an http or https link")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, "", rpc.Invalid("sourceUrl", "must be an http or https link")
	}
	req.Header.Set("Accept-Encoding", "identity") // the file as it is, packed or not
	res, err := s.client.Do(req)
	if err != nil {
		return nil, "", sourceError(err)
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		if res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
			return nil, "", rpc.Unavailable("the file store answers %d; try again", res.StatusCode)
		}
		return nil, "", rpc.Precondition("SOURCE_GONE", "the link to the file is refused (%d); make a new one", res.StatusCode)
	}
	if _, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition")); err == nil {
		name = params["filename"]
	}
	return res.Body, name, nil
}

// sourceError hides the link, which is a permission, from logs and answers.
func sourceError(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return rpc.Unavailable("the file store can't be reached: %s", err)
}
