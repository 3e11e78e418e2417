package records

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	gcblob "gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/egress"
	"github.com/microservicehub/mshub/internal/rpc"
)

// sources are the addresses outside that imports may read: an allow-list of the operator's, empty by default.
type sources struct {
	hosts   []string
	buckets []string
	policy  egress.Policy
	client  *http.Client
}

func newSources(c Config) *sources {
	policy, _ := egress.ParsePolicy(c.SourceNetworks) // Validate has seen it
	return &sources{hosts: c.SourceHosts, buckets: c.SourceBuckets, policy: policy, client: policy.Client(0)}
}

// allowed judges an address of the web; the network it leads to is judged when it is dialed.
func (p *sources) allowed(link string) error {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" {
		return rpc.Invalid("sourceUrl", "must be https://host/path or s3://bucket/key")
	}
	host := strings.ToLower(u.Hostname())
	for _, pattern := range p.hosts {
		pattern = strings.ToLower(strings.TrimSpace(pattern))
		suffix, wild := strings.CutPrefix(pattern, "*")
		if host != pattern && (!wild || suffix == "" || !strings.HasSuffix(host, suffix)) {
			continue
		}
		if err := p.policy.CheckURL(link); err != nil {
			return rpc.Invalid("sourceUrl", "%s", err)
		}
		return nil
	}
	return rpc.Invalid("sourceUrl", "the host %q is not among those that the operator allows (MSHUB_RECORDS_SOURCE_HOSTS); upload the file instead", host)
}

// bucket finds the address of a bucket that may be read, and the key in it.
func (p *sources) bucket(caller auth.Caller, link string) (address, key string, err error) {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || len(u.Path) < 2 {
		return "", "", rpc.Invalid("sourceUrl", "must be s3://bucket/key")
	}
	key = strings.TrimPrefix(u.Path, "/")
	for _, entry := range p.buckets {
		allowed, err := url.Parse(strings.TrimSpace(entry))
		if err != nil || allowed.Host != u.Host {
			continue
		}
		prefix := strings.TrimPrefix(strings.ReplaceAll(allowed.Path, "{organisation}", caller.Organisation.String()), "/")
		if strings.HasPrefix(key, prefix) {
			return (&url.URL{Scheme: "s3", Host: allowed.Host, RawQuery: allowed.RawQuery}).String(), key, nil
		}
	}
	return "", "", rpc.Invalid("sourceUrl", "the operator does not allow to read %q from the bucket %q (MSHUB_RECORDS_SOURCE_BUCKETS); upload the file instead", key, u.Host)
}

// object opens an object of S3 that the policy allows.
func (p *sources) object(ctx context.Context, caller auth.Caller, link string, most int64) (io.ReadCloser, source, error) {
	address, key, err := p.bucket(caller, link)
	if err != nil {
		return nil, source{}, err
	}
	bucket, err := blob.Open(ctx, address)
	if err != nil {
		return nil, source{}, err
	}
	attributes, err := bucket.Attributes(ctx, key)
	if err != nil {
		return nil, source{}, errors.Join(objectError(err), bucket.Close())
	}
	if attributes.Size > most {
		return nil, source{}, errors.Join(tooBig(most), bucket.Close())
	}
	read := func(ctx context.Context, from int64) (io.ReadCloser, error) {
		r, err := bucket.NewRangeReader(ctx, key, from, -1, &gcblob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
			var in *s3.GetObjectInput
			if as(&in) && attributes.ETag != "" {
				in.IfMatch = aws.String(attributes.ETag)
			}
			return nil
		}})
		if err != nil {
			return nil, objectError(err)
		}
		return r, nil
	}
	body, err := read(ctx, 0)
	if err != nil {
		return nil, source{}, errors.Join(err, bucket.Close())
	}
	src := source{name: nameOf(link), size: attributes.Size, tag: attributes.ETag}
	return &closing{newPatient(ctx, body, most, read), bucket.Close}, src, nil
}

func objectError(err error) error {
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) && status.HTTPStatusCode() == http.StatusPreconditionFailed {
		return errSourceChanged
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return rpc.Precondition("SOURCE_GONE", "there is no such object in the bucket, or no such bucket")
	case gcerrors.PermissionDenied:
		return rpc.Precondition("SOURCE_DENIED", "the bucket refuses to let us read; the operator's AWS credentials need s3:GetObject on it")
	case gcerrors.FailedPrecondition:
		return errSourceChanged
	case gcerrors.Canceled, gcerrors.DeadlineExceeded:
		return err
	}
	if errors.As(err, &status) && (status.HTTPStatusCode() == http.StatusForbidden || status.HTTPStatusCode() == http.StatusUnauthorized) {
		return rpc.Precondition("SOURCE_DENIED", "the bucket refuses to let us read (%d); the operator's AWS credentials need s3:GetObject on it", status.HTTPStatusCode())
	}
	return rpc.Unavailable("the bucket can't be read: %s", gcerrors.Code(err))
}

// closing closes what lies behind a reader too.
type closing struct {
	io.ReadCloser
	then func() error
}

func (c *closing) Close() error { return errors.Join(c.ReadCloser.Close(), c.then()) }

const (
	// silence of a source after which the connection is given up.
	silence = time.Minute
	// resumptions without a byte in between.
	resumptions = 3
)

// patient reads a source that may stall or break off: it goes on where it stopped, as long as the source is the same.
type patient struct {
	ctx    context.Context //nolint:containedctx // a reader's calls have none
	body   io.ReadCloser
	again  func(ctx context.Context, from int64) (io.ReadCloser, error)
	most   int64
	read   int64
	broken int
}

func newPatient(ctx context.Context, body io.ReadCloser, most int64, again func(context.Context, int64) (io.ReadCloser, error)) *patient {
	return &patient{ctx: ctx, body: body, most: most, again: again}
}

func (p *patient) Read(b []byte) (int, error) {
	for {
		stalled := time.AfterFunc(silence, func() { _ = p.body.Close() })
		n, err := p.body.Read(b)
		stalled.Stop()
		p.read += int64(n)
		if p.read > p.most {
			return 0, tooBig(p.most)
		}
		if n > 0 {
			p.broken = 0
			if err != nil && !errors.Is(err, io.EOF) {
				err = nil // it comes again
			}
			return n, err
		}
		if err == nil || errors.Is(err, io.EOF) || p.ctx.Err() != nil {
			return n, err
		}
		if p.broken++; p.broken > resumptions {
			return 0, rpc.Unavailable("the source broke off %d times; try again", resumptions)
		}
		body, again := p.again(p.ctx, p.read)
		if again != nil {
			return 0, again
		}
		_ = p.body.Close()
		p.body = body
	}
}

func (p *patient) Close() error { return p.body.Close() }
