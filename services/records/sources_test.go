package records_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/services/records"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// web is a server of somebody else's.
type web struct {
	*httptest.Server
	content []byte
	tag     string
	cuts    atomic.Int32 // answers that are still to break off in the middle
	change  bool         // the file changes when an answer breaks off
	ranges  atomic.Int32 // requests for the rest
}

func (w *web) ServeHTTP(out http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case "/moved":
		http.Redirect(out, req, "/file.csv", http.StatusFound)
	case "/inside":
		http.Redirect(out, req, "http://10.255.255.1/file.csv", http.StatusFound)
	case "/elsewhere":
		http.Redirect(out, req, "http://somewhere.else/file.csv", http.StatusFound)
	case "/round":
		http.Redirect(out, req, "/round", http.StatusFound)
	case "/denied":
		out.WriteHeader(http.StatusForbidden)
	case "/broken":
		out.WriteHeader(http.StatusBadGateway)
	case "/file.csv":
		w.serve(out, req)
	default:
		out.WriteHeader(http.StatusNotFound)
	}
}

func (w *web) serve(out http.ResponseWriter, req *http.Request) {
	from := 0
	out.Header().Set("Accept-Ranges", "bytes")
	if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		w.ranges.Add(1)
		if req.Header.Get("If-Match") != w.tag {
			out.WriteHeader(http.StatusPreconditionFailed)
			return
		}
	}
	out.Header().Set("ETag", w.tag)
	rest := w.content[from:]
	out.Header().Set("Content-Length", fmt.Sprint(len(rest)))
	if from > 0 {
		out.WriteHeader(http.StatusPartialContent)
	}
	if w.cuts.Add(-1) >= 0 {
		_, _ = out.Write(rest[:len(rest)/2])
		if w.change {
			w.tag = `"changed"`
		}
		panic(http.ErrAbortHandler)
	}
	_, _ = out.Write(rest)
}

func website(t *testing.T) *web {
	t.Helper()
	w := &web{content: []byte(short + strings.Repeat("X,a,1\n", 1) + "X,b,1\n"), tag: `"one"`}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

func open127(c *records.Config) {
	c.SourceHosts, c.SourceNetworks = []string{"127.0.0.1", "*.example.org"}, []string{"127.0.0.1"}
}

func (r *room) external(link string) *recordsv1.PlanImportRequest {
	return &recordsv1.PlanImportRequest{Dataset: "datasets/cities", ExternalUrl: link, Mode: recordsv1.ImportMode_REPLACE}
}

// A URL is read where the operator allows its host and its network; what it was is kept.
func TestImportFromURL(t *testing.T) {
	t.Parallel()
	r, w := setup(t, stores["postgres"], open127), website(t)
	r.dataset("cities", citiesSchema)
	for _, path := range []string{"/file.csv", "/moved"} {
		ctx, in := run(r.ctx), r.external(w.URL+path)
		if out, err := r.importFile(ctx, in); err != nil || out.GetInserted() != 2 {
			t.Fatal(out.counts(), err)
		}
		plan, err := r.PlanImport(ctx, in)
		if err != nil || plan.GetSourceName() != "file.csv" || plan.GetSourceTag() != `"one"` || plan.GetSourceSize() != int64(len(w.content)) {
			t.Errorf("the source was %v, %v", plan, err)
		}
	}
	for link, c := range map[string]struct {
		code connect.Code
		want string
	}{
		w.URL + "/none":                        {connect.CodeFailedPrecondition, "nothing at the source's address"},
		w.URL + "/denied":                      {connect.CodeFailedPrecondition, "refuses to send it (403)"},
		w.URL + "/broken":                      {connect.CodeUnavailable, "answers 502"},
		w.URL + "/inside":                      {connect.CodeInvalidArgument, "is not among those"},
		w.URL + "/elsewhere":                   {connect.CodeInvalidArgument, `the host "somewhere.else" is not among those`},
		w.URL + "/round":                       {connect.CodeInvalidArgument, "more than 5 times"},
		"https://example.com/x.csv":            {connect.CodeInvalidArgument, "sourceUrl: the host \"example.com\" is not among those"},
		"https://evilexample.org/x.csv":        {connect.CodeInvalidArgument, "is not among those"},
		"https://user:secret@a.example.org/x":  {connect.CodeInvalidArgument, "sourceUrl: must not hold a user name"},
		"ftp://127.0.0.1/x":                    {connect.CodeInvalidArgument, "sourceUrl: must begin with https"},
		"s3://bucket/key":                      {connect.CodeInvalidArgument, "sourceUrl: the operator does not allow"},
		"s3://bucket":                          {connect.CodeInvalidArgument, "sourceUrl: must be s3://bucket/key"},
		"http://127.0.0.1:1/nobody/listens":    {connect.CodeUnavailable, "can't be reached"},
		"https://[::ffff:10.0.0.1]/mapped.csv": {connect.CodeInvalidArgument, "is not among those"},
	} {
		_, err := r.PlanImport(run(r.ctx), r.external(link))
		refused(t, link, err, c.code, c.want)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: a password is repeated", link)
		}
	}
	if left := r.left(); len(left) != 0 {
		t.Errorf("left in the scratch space: %v", left)
	}
	both := r.external(w.URL + "/file.csv")
	both.SourceUrl = r.source(nil, "")
	_, err := r.PlanImport(run(r.ctx), both)
	refused(t, "two sources", err, connect.CodeInvalidArgument, "either a file or a URL")
}

// An allowed name that leads into a private network is refused when it is dialed.
func TestPrivateNetworksStayClosed(t *testing.T) {
	t.Parallel()
	w := website(t)
	r := setup(t, stores["postgres"], func(c *records.Config) { c.SourceHosts = []string{"localhost", "127.0.0.1"} })
	r.dataset("cities", citiesSchema)
	for _, link := range []string{w.URL, strings.Replace(w.URL, "127.0.0.1", "localhost", 1), strings.Replace(w.URL, "http://127.0.0.1", "https://localhost", 1)} {
		_, err := r.PlanImport(run(r.ctx), r.external(link+"/file.csv"))
		if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(rpc.Message(err), "sourceUrl") {
			t.Errorf("%s: %v", link, err)
		}
		if err != nil && strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the address behind it is told: %v", link, err)
		}
	}
	closed := setup(t, stores["postgres"])
	closed.dataset("cities", citiesSchema)
	_, err := closed.PlanImport(run(closed.ctx), closed.external(w.URL+"/file.csv"))
	refused(t, "by default", err, connect.CodeInvalidArgument, "MSHUB_RECORDS_SOURCE_HOSTS")
}

// A transfer that breaks off goes on where it stopped, if the file is still the same one.
func TestTransferThatBreaksOff(t *testing.T) {
	t.Parallel()
	r, w := setup(t, stores["postgres"], open127), website(t)
	r.dataset("cities", citiesSchema)
	w.content = []byte(short)
	for i := range 60_000 {
		w.content = fmt.Appendf(w.content, "X,%d,1\n", i)
	}
	w.cuts.Store(3)
	if out, err := r.importFile(run(r.ctx), r.external(w.URL+"/file.csv")); err != nil || out.GetInserted() != 60_000 || w.ranges.Load() != 3 {
		t.Errorf("%s, %v after %d continuations", out.counts(), err, w.ranges.Load())
	}
	w.cuts.Store(1)
	w.change = true
	_, err := r.PlanImport(run(r.ctx), r.external(w.URL+"/file.csv"))
	refused(t, "a file that changed", err, connect.CodeFailedPrecondition, "was changed while it was read")
	w.cuts.Store(1)
	w.tag, w.change = `W/"weak"`, false
	_, err = r.PlanImport(run(r.ctx), r.external(w.URL+"/file.csv"))
	refused(t, "a file without a name for its state", err, connect.CodeUnavailable, "stopped sending")
	small := setup(t, stores["postgres"], open127, func(c *records.Config) { c.MaxBytes = 1000 })
	small.dataset("cities", citiesSchema)
	_, err = small.PlanImport(run(small.ctx), small.external(w.URL+"/file.csv"))
	refused(t, "a file too large", err, connect.CodeInvalidArgument, "is larger than the 1000 bytes")
	if n := r.count("datasets/cities", ""); n != 60_000 {
		t.Errorf("%d records are left of the first import", n)
	}
}

// Objects are read from buckets that the operator allows, below the prefix of the organisation.
func TestImportFromS3(t *testing.T) {
	endpoint := testenv.S3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	bucket := "imports-" + uuid.NewString()
	query := "?region=us-east-1&use_path_style=true&endpoint=" + endpoint
	r := setup(t, stores["postgres"], func(c *records.Config) {
		c.SourceBuckets = []string{"s3://" + bucket + "/{organisation}/" + query, "s3://none-" + bucket + query, "s3://closed-" + bucket + query}
	})
	r.dataset("cities", citiesSchema)
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	put := func(key string, content []byte) {
		t.Helper()
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)}); err != nil {
			t.Fatal(err)
		}
	}
	own := auth.From(r.ctx).Organisation.String() + "/"
	put(own+"in/cities.csv.gz", zip(t, short+"X,a,1\nX,b,2\n"))
	put("somebody/else.csv", []byte(short+"X,a,1\n"))
	ctx, in := run(r.ctx), r.external("s3://"+bucket+"/"+own+"in/cities.csv.gz")
	if out, err := r.importFile(ctx, in); err != nil || out.GetInserted() != 2 {
		t.Fatal(out.counts(), err)
	}
	if plan, err := r.PlanImport(ctx, in); err != nil || plan.GetSourceName() != "cities.csv.gz" || plan.GetSourceTag() == "" || plan.GetSourceSize() == 0 {
		t.Errorf("the source was %v, %v", plan, err)
	}
	for link, want := range map[string]string{
		"s3://" + bucket + "/" + own + "none.csv": "there is no such object", "s3://none-" + bucket + "/x.csv": "no such bucket",
		"s3://" + bucket + "/somebody/else.csv": "the operator does not allow to read", "s3://another/x.csv": "the operator does not allow to read",
		"s3://" + bucket + "/" + own + "../somebody/else.csv": "there is no such object",
	} {
		_, err := r.PlanImport(run(r.ctx), r.external(link))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", link, err, want)
		}
	}
}

// What an S3 server says to credentials that may not read is told as such.
func TestS3ThatDenies(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	denies := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`))
	}))
	t.Cleanup(denies.Close)
	r := setup(t, stores["postgres"], func(c *records.Config) {
		c.SourceBuckets = []string{"s3://closed?region=eu-central-1&use_path_style=true&endpoint=" + denies.URL}
	})
	r.dataset("cities", citiesSchema)
	_, err := r.PlanImport(run(r.ctx), r.external("s3://closed/x.csv"))
	refused(t, "a bucket that is closed", err, connect.CodeFailedPrecondition, "need s3:GetObject")
}

func TestSourceSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config records.Config
		want   string
	}{
		"fine":    {records.Config{SourceHosts: []string{"a.b", "*.c.d"}, SourceBuckets: []string{"s3://a?region=x", "s3://a/?region=x", "s3://a/{organisation}/b/?region=x"}, SourceNetworks: []string{"10.0.0.0/8"}}, ""},
		"host":    {records.Config{SourceHosts: []string{"https://a.b"}}, "MSHUB_RECORDS_SOURCE_HOSTS"},
		"letters": {records.Config{SourceHosts: []string{"*example.org"}}, "write data.example.com or *.example.com"},
		"labels":  {records.Config{SourceHosts: []string{"a.*.org"}}, "MSHUB_RECORDS_SOURCE_HOSTS"},
		"prefix":  {records.Config{SourceBuckets: []string{"s3://b/org-a?region=x"}}, "end the prefix with a slash"},
		"ratio":   {records.Config{MaxRatio: -1}, "MSHUB_RECORDS_MAX_RATIO"},
		"all":     {records.Config{SourceHosts: []string{"*"}}, "MSHUB_RECORDS_SOURCE_HOSTS"},
		"bucket":  {records.Config{SourceBuckets: []string{"bucket"}}, "MSHUB_RECORDS_SOURCE_BUCKETS"},
		"file":    {records.Config{SourceBuckets: []string{"file:///etc"}}, "MSHUB_RECORDS_SOURCE_BUCKETS"},
		"network": {records.Config{SourceNetworks: []string{"intranet"}}, "MSHUB_RECORDS_SOURCE_NETWORKS"},
	} {
		c.config.MaxBytes = 1 << 30
		err := c.config.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
