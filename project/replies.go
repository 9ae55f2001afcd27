package project

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"projhost/templates"
)

// Text is a plain answer.
type Text struct {
	ContentType string // "" is text/plain
	FileName    string // offered for saving; "" shows it
	Body        string
	Modified    time.Time // of Body; zero if that is not known
}

var _ Reply = Text{}

// Write implements [Reply].
func (t Text) Write(w http.ResponseWriter, r *Request) error {
	h := w.Header()
	h.Set("Content-Type", t.ContentType)
	if t.ContentType == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Security-Policy", "sandbox")
	if t.FileName != "" {
		h.Set("Content-Disposition", Attachment(t.FileName))
	}
	return r.send(w, http.StatusOK, []byte(t.Body), later(t.Modified, t.Modified))
}

// Attachment is the Content-Disposition that offers a file for saving under
// its name (RFC 6266): in ASCII for old programs, and in full.
func Attachment(name string) string {
	plain := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '/' || c == '%' {
			return '_'
		}
		return c
	}, name)
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain, strings.ReplaceAll(url.QueryEscape(name), "+", "%20"))
}

// Redirect sends the visitor to another page of the project. Nothing outside
// the project can be named.
type Redirect struct {
	Path      string // below the project, decoded
	Query     string // encoded; "" for none
	Permanent bool
}

var _ Reply = Redirect{}

// Write implements [Reply].
func (d Redirect) Write(w http.ResponseWriter, r *Request) error {
	to := r.Base + r.Href.Path(d.Path)
	if d.Query != "" {
		to += "?" + d.Query
	}
	return redirect(w, r, to, d.Permanent)
}

// Elsewhere sends the visitor to an address that the administrator has written
// into trac.ini; nothing that came with a request may get here.
type Elsewhere struct{ URL string }

var _ Reply = Elsewhere{}

// Write implements [Reply].
func (e Elsewhere) Write(w http.ResponseWriter, r *Request) error {
	return redirect(w, r, e.URL, false)
}

// redirect answers with an address. The status is Trac's: 303 after a POST, 301
// for good, else 302.
func redirect(w http.ResponseWriter, r *Request, to string, permanent bool) error {
	status := http.StatusFound
	switch {
	case r.Method == http.MethodPost:
		status = http.StatusSeeOther
	case permanent:
		status = http.StatusMovedPermanently
	}
	h := w.Header()
	r.WriteCookies(h)
	h.Set("Location", to)
	h.Set("Cache-Control", r.cacheControl("no-cache, private"))
	h.Set("Content-Length", "0")
	w.WriteHeader(status)
	return nil
}

// Asset is one of the program's own static files.
type Asset struct {
	File *templates.File
	// Fingerprinted is true if the link named this very content, so that it
	// may be kept for ever.
	Fingerprinted bool
}

var _ Reply = Asset{}

// Write implements [Reply]; it answers conditional requests, sends parts of a
// file, and the compressed form of a whole one to whoever takes it (RFC 9110
// sections 12.5.3, 13 and 14).
func (a Asset) Write(w http.ResponseWriter, r *Request) error {
	h := w.Header()
	h.Set("Content-Type", a.File.ContentType)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "public, max-age=3600")
	if a.Fingerprinted {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("Range") != "" {
		h.Set("ETag", a.File.ETag)
		http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(a.File.Body))
		return nil
	}
	h.Set("Accept-Ranges", "bytes")
	body, etag := a.File.Body, a.File.ETag
	if a.File.Gzip != nil && takesGzip(r.Header.Get("Accept-Encoding")) {
		body, etag = a.File.Gzip, a.File.GzipETag
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body)
	return clientGone(err)
}

// takesGzip reads an Accept-Encoding header: gzip must be named, and not with
// a weight of zero.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(part, ";")
		if name = strings.TrimSpace(name); !strings.EqualFold(name, "gzip") && !strings.EqualFold(name, "x-gzip") {
			continue
		}
		q, given := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !given || err == nil && weight > 0
	}
	return false
}

// matches compares an If-None-Match header with an ETag, weakly.
func matches(header, etag string) bool {
	if header == "*" {
		return true
	}
	etag = strings.TrimPrefix(etag, "W/")
	for part := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(part), "W/") == etag {
			return true
		}
	}
	return false
}

// File is a file on disk; it is closed when it has been sent.
type File struct {
	Name    string // decides the content type
	Path    string // absolute; "" if a web server must not send it in our place
	Content io.ReadSeekCloser
	ModTime time.Time
	Size    int64
	Save    bool // it is offered for saving, and no page of the site even if it says so
}

var _ Reply = File{}

// Write implements [Reply]; it answers conditional and range requests
// (RFC 9110 sections 13 and 14), or leaves the file to the web server if
// [trac] use_xsendfile says that it can.
func (f File) Write(w http.ResponseWriter, r *Request) error {
	defer func() { _ = f.Content.Close() }()
	h := w.Header()
	kind := mime.TypeByExtension(filepath.Ext(f.Name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", r.cacheControl("no-cache"))
	if f.Save {
		h.Set("Content-Disposition", Attachment(f.Name))
		h.Set("Content-Security-Policy", "sandbox")
	}
	if name, value := r.sendfile(f.Path); name != "" {
		h.Set(name, value)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, f.ModTime.UnixNano(), f.Size))
	http.ServeContent(w, r.Request, f.Name, f.ModTime, f.Content)
	return nil
}

// sendfile is the header by which the web server is told to send a file, and
// its value; "" if the file is to be sent from here.
func (r *Request) sendfile(path string) (name, value string) {
	config := r.Env.Config()
	if path == "" || !r.fronted || !config.Bool("trac", "use_xsendfile") {
		return "", ""
	}
	// Anything else would be a header with another meaning, or none at all.
	switch name = config.String("trac", "xsendfile_header"); http.CanonicalHeaderKey(name) {
	case "X-Sendfile":
		// The path as it is, as Trac sends it. lighttpd decodes it, Apache and Caddy
		// do not, so one with a "%" has two meanings.
		if strings.Contains(path, "%") || strings.HasSuffix(path, " ") || strings.ContainsFunc(path, unicode.IsControl) || !utf8.ValidString(path) {
			return "", ""
		}
		return name, path
	case "X-Accel-Redirect", "X-Lighttpd-Send-File", "X-Litespeed-Location": // these are decoded
		return name, (&url.URL{Path: path}).EscapedPath()
	}
	return "", ""
}
