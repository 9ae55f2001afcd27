package templates_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"regexp"
	"strings"
	"testing"

	"projhost/templates"
)

func TestAssets(t *testing.T) {
	seen := map[string]bool{}
	for f := range templates.Assets() {
		seen[f.Name] = true
		if len(f.Body) == 0 || f.ContentType == "application/octet-stream" {
			t.Errorf("%s: %d bytes of %s", f.Name, len(f.Body), f.ContentType)
		}
		if again, ok := templates.Asset(f.Name); !ok || again != f {
			t.Errorf("%s: another one by name", f.Name)
		}
		if !regexp.MustCompile(`^"[0-9a-f]{32}"$`).MatchString(f.ETag) || f.GzipETag == f.ETag {
			t.Errorf("%s: tags %s and %s", f.Name, f.ETag, f.GzipETag)
		}
		if f.Gzip == nil {
			continue
		}
		z, err := gzip.NewReader(bytes.NewReader(f.Gzip))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(z); err != nil || !bytes.Equal(back, f.Body) {
			t.Errorf("%s: compressed differently, %v", f.Name, err)
		}
	}
	for _, name := range []string{templates.MainCSS, templates.DefaultIcon, templates.LegacyIcon} {
		if !seen[name] {
			t.Errorf("no %s", name)
		}
	}
}

func TestNoOtherNames(t *testing.T) {
	for _, name := range []string{"", "/", ".", "css", "css/", "/css/trac.css", "css//trac.css", "../assets/css/trac.css", "css/../css/trac.css", "CSS/trac.css", "host/base.css", "css/trac.css\x00"} {
		if _, ok := templates.Asset(name); ok {
			t.Errorf("%q is an asset", name)
		}
	}
}

func TestAssetHref(t *testing.T) {
	f, _ := templates.Asset(templates.MainCSS)
	want := "/x/chrome/common/css/trac.css?v=" + f.Version()
	if got := templates.AssetHref("/x/chrome/common", templates.MainCSS); got != want || len(f.Version()) != 12 {
		t.Errorf("%s, not %s", got, want)
	}
	if got := templates.AssetHref("/x", "js/none.js"); got != "/x/js/none.js" {
		t.Error(got)
	}
}

// TestStyleSheet holds what a style sheet can break: size, foreign hosts, and
// references to what is not there.
func TestStyleSheet(t *testing.T) {
	f, _ := templates.Asset(templates.MainCSS)
	css := string(f.Body)
	if len(css) > 20<<10 || len(f.Gzip) > 6<<10 {
		t.Errorf("%d bytes, %d compressed", len(css), len(f.Gzip))
	}
	if strings.Count(css, "{") != strings.Count(css, "}") || strings.Contains(css, "@import") || strings.Contains(css, "//") {
		t.Error("unbalanced, or asks others")
	}
	for _, m := range regexp.MustCompile(`url\("\.\./([^?"]*)\?v=([^"]*)"\)`).FindAllStringSubmatch(css, -1) {
		if a, ok := templates.Asset(m[1]); !ok || a.Version() != m[2] {
			t.Errorf("%s is not there or another", m[0])
		}
	}
	if n, m := strings.Count(css, "url("), strings.Count(css, "?v="); n != m {
		t.Errorf("%d references, %d with a version", n, m)
	}
	for _, m := range regexp.MustCompile(`var\((--[a-z-]+)`).FindAllStringSubmatch(css, -1) {
		if !strings.Contains(css, m[1]+":") {
			t.Errorf("%s is never set", m[1])
		}
	}
	for _, want := range []string{"prefers-color-scheme: dark", "prefers-reduced-motion", "@media print", ":focus-visible", "table.wiki", "pre.wiki", "blockquote.citation", "a.missing", "a.ext-link", ".system-message", "dl.wiki", ".macro-unavailable", "div.code"} {
		if !strings.Contains(css, want) {
			t.Errorf("nothing for %s", want)
		}
	}
}

// TestHostPolicy compares the policy with what the pages really hold.
func TestHostPolicy(t *testing.T) {
	doc := render(t, templates.Index(manyProjects(20)))
	for _, m := range regexp.MustCompile(`(?s)<(style|script)>(.*?)</`).FindAllStringSubmatch(doc, -1) {
		sum := sha256.Sum256([]byte(m[2]))
		want := m[1] + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if !strings.Contains(templates.HostPolicy(), want) {
			t.Errorf("no %s in %s", want, templates.HostPolicy())
		}
	}
}
