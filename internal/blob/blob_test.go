package blob

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for address, fault := range map[string]string{
		"file:///var/lib/mshub/files": "", "s3://bucket?region=eu-central-1": "",
		"file://relative/x": "absolute", "s3://": "name the bucket", "ftp://x": "use file:///", "/var/lib": "use file:///", "": "use file:///",
	} {
		err := Check(address)
		if (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%q: %v, want %q", address, err, fault)
		}
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a b", "files")
	b, err := Open(t.Context(), Directory(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v, %v; want it for this user alone", info.Mode(), err)
	}
	if b.Presigns() {
		t.Error("a directory signs no links")
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err := b.NewWriter(ctx, "org/half", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<20)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Close(); err == nil {
		t.Error("a writer whose context has ended closes well")
	}
	if _, err := b.Attributes(t.Context(), "org/half"); !Missing(err) {
		t.Errorf("half a blob is there: %v", err)
	}
	if err := b.WriteAll(t.Context(), "org/whole", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	stranded := filepath.Join(dir, "org", "killed.123.tmp")
	if err := os.WriteFile(stranded, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for before, left := range map[time.Duration]bool{-time.Hour: true} {
		if err := b.RemoveStranded(time.Now().Add(before)); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(stranded); (err == nil) != left {
			t.Errorf("a young stranded file: %v", err)
		}
	}
	if err := b.RemoveStranded(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stranded); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an old stranded file: %v", err)
	}
	for range 2 {
		if err := b.Remove(t.Context(), "org/whole"); err != nil {
			t.Errorf("removing: %v", err)
		}
	}
}

func TestPresignedByS3(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	b, err := Open(t.Context(), "s3://bucket?region=eu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	link, headers, err := b.PresignPut(t.Context(), "org/id", "text/csv", 5, time.Minute)
	if err != nil || !b.Presigns() {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"Content-Type": "text/csv", "If-None-Match": "*"}, headers); diff != "" {
		t.Error(diff)
	}
	if got := u.Query().Get("X-Amz-SignedHeaders"); got != "content-length;content-type;host;if-none-match" {
		t.Errorf("signed headers: %s", got)
	}
	link, err = b.PresignGet(t.Context(), "org/id", `attachment; filename="x"`, "text/csv", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if u, err = url.Parse(link); err != nil || u.Query().Get("response-content-disposition") != `attachment; filename="x"` || u.Query().Get("X-Amz-Expires") != "60" {
		t.Errorf("got %s, %v", link, err)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	old, current := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	l := Link{Method: "PUT", Key: "a/b", Expiry: now.Add(time.Minute), ContentType: "text/csv", Size: 3, MaxSize: 9, FileName: "ä&b.csv"}
	open := func(keys [][]byte, at time.Time, change func(url.Values)) (Link, error) {
		q, err := url.ParseQuery(l.Query([][]byte{old}))
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(q)
		}
		return OpenLink(keys, q, at)
	}
	if got, err := open([][]byte{current, old}, now, nil); err != nil || got != l {
		t.Errorf("after a rotation: %+v, %v", got, err)
	}
	if _, err := open([][]byte{current}, now, nil); !errors.Is(err, ErrAltered) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := open([][]byte{old}, now.Add(time.Minute), nil); !errors.Is(err, ErrExpired) {
		t.Errorf("too late: %v", err)
	}
	for _, field := range []string{"m", "k", "e", "t", "s", "x", "n", "sig"} {
		if _, err := open([][]byte{old}, now, func(q url.Values) { q.Set(field, q.Get(field)+"1") }); !errors.Is(err, ErrAltered) {
			t.Errorf("%s is not covered: %v", field, err)
		}
		if _, err := open([][]byte{old}, now, func(q url.Values) { q.Del(field) }); !errors.Is(err, ErrAltered) {
			t.Errorf("without %s: %v", field, err)
		}
	}
	// What moves from one field to its neighbour is another link.
	if _, err := open([][]byte{old}, now, func(q url.Values) { q.Set("m", "PUTa"); q.Set("k", "/b") }); !errors.Is(err, ErrAltered) {
		t.Errorf("fields run into each other: %v", err)
	}
}
