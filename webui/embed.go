// Package webui is the web console: a React application (src/) that is built into dist/ and carried inside the binary.
//
// Reading order: embed.go (how it is served), src/main.tsx (how it starts), src/routes (URL -> page), src/features
// (a folder a room), src/components and src/lib (what the rooms share), src/gen (the doors, generated).
//
// The console is a client like any other: it calls the doors by Connect with a short-lived token, and follows /live.
package webui

import (
	"crypto/rand"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// placeholder stands in index.html where each answer gets its own nonce.
const placeholder = "%NONCE%"

// unbuilt is what a binary shows that was built without `npm run build`.
const unbuilt = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>MicroServiceHub</title>
<body><h1>The console is not in this binary</h1>
<p>It was built without the web console. <code>make build</code> builds both.</p>
<p>Everything else works: the API is described at <a href="/docs">/docs</a>.</p></body></html>
`

// Handler serves the built console: hashed assets, which browsers may keep for ever, and index.html for every other
// path, which they may not. It answers GET and HEAD. Uploads go straight to the blob store: if that is elsewhere (S3),
// its origin is named here, or browsers refuse to talk to it.
func Handler(blobOrigins ...string) http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // The folder is embedded under this very name.
	}
	return handler(files, blobOrigins...)
}

func handler(files fs.FS, blobOrigins ...string) http.Handler {
	connect := strings.Join(append([]string{"connect-src 'self'"}, blobOrigins...), " ")
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		index = []byte(unbuilt)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		if serveFile(w, r, files, name) {
			return
		}
		// A missing asset is missing: answering index.html would hide a broken deployment behind a syntax error.
		if strings.HasPrefix(name, "assets/") {
			http.NotFound(w, r)
			return
		}
		serveIndex(w, r, string(index), connect)
	})
}

// serveFile answers with a file of the build, compressed beforehand if the browser takes that. It reports whether
// there is such a file; index.html is none, because it needs a nonce.
func serveFile(w http.ResponseWriter, r *http.Request, files fs.FS, name string) bool {
	if name == "" || name == "index.html" || strings.HasPrefix(path.Base(name), ".") {
		return false
	}
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return false
	}
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") { // The name holds a hash of the content.
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	header.Set("Content-Type", contentType(name))
	header.Add("Vary", "Accept-Encoding")
	for _, c := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !accepts(r, c.encoding) {
			continue
		}
		if compressed, err := fs.ReadFile(files, name+c.suffix); err == nil {
			header.Set("Content-Encoding", c.encoding)
			content = compressed
			break
		}
	}
	write(w, r, content)
	return true
}

// serveIndex answers with the page that starts the console. Scripts come from this origin only, none is inline; style
// elements need the nonce that only this answer knows.
func serveIndex(w http.ResponseWriter, r *http.Request, index, connect string) {
	nonce := base64.StdEncoding.EncodeToString(random(16))
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-cache")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Content-Security-Policy", strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self' 'nonce-" + nonce + "'",
		"font-src 'self'",
		"img-src 'self' data:",
		connect,
		"form-action 'self'",
		"frame-ancestors 'none'",
		"base-uri 'none'",
	}, "; "))
	write(w, r, []byte(strings.ReplaceAll(index, placeholder, nonce)))
}

func write(w http.ResponseWriter, r *http.Request, content []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(content) // The browser has gone away: nobody is left to tell.
}

// contentType knows the kinds of file that a build holds, whatever the machine's own tables say.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

// accepts reports whether the request lists the encoding without refusing it (";q=0").
func accepts(r *http.Request, encoding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			return strings.ReplaceAll(weight, " ", "") != "q=0"
		}
	}
	return false
}

// random returns n unpredictable bytes.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // Never fails: the runtime stops the program first.
	return b
}
