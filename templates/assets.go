package templates

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"sync"
)

// The assets that pages refer to.
const (
	MainCSS     = "css/trac.css" // the look of every page
	DefaultIcon = "projhost.svg" // the icon of a project that names none
	LegacyIcon  = "trac.ico"     // the same for old browsers and old trac.ini files

	extMark = "ext.svg" // the mark of links that lead elsewhere
)

//go:embed assets
var assetFS embed.FS

// File is a static asset. It is shared and must not be changed.
type File struct {
	Name        string // "css/trac.css"
	ContentType string
	ETag        string // strong, with its quotes: a hash of Body
	GzipETag    string // the same for Gzip, as it is another sequence of bytes
	Body        []byte
	Gzip        []byte // Body compressed; nil if that does not pay
	version     string
}

// Asset returns the asset of that name, "css/trac.css". Names are exact: there
// is no other spelling of one, so none can lead out of the assets.
func Asset(name string) (*File, bool) {
	f, ok := assets()[name]
	return f, ok
}

// Assets lists all assets by name.
func Assets() iter.Seq[*File] {
	return func(yield func(*File) bool) {
		all := assets()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if !yield(all[name]) {
				return
			}
		}
	}
}

// AssetHref returns the link to an asset below prefix, "/x/chrome/common". It
// changes with the content, so that what it leads to may be kept for ever. A
// name that is no asset is linked without a version.
func AssetHref(prefix, name string) string {
	if f, ok := assets()[name]; ok {
		return prefix + "/" + name + "?v=" + f.version
	}
	return prefix + "/" + name
}

// Version is what "v" is in the asset's link; an answer to a link with another
// one must not be cached for long.
func (f *File) Version() string { return f.version }

var assets = sync.OnceValue(func() map[string]*File {
	all := make(map[string]*File)
	err := fs.WalkDir(assetFS, "assets", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Dir(p) == hostDir {
			return err
		}
		name := p[len("assets/"):]
		all[name] = newFile(name, source(p))
		return nil
	})
	if err != nil {
		panic("templates: embedded files: " + err.Error())
	}
	all[MainCSS] = newFile(MainCSS, mainCSS(all[extMark].version))
	return all
})

// mainCSS is the style sheet of a project's pages. What it refers to is given
// its version here, as what a style sheet says cannot be computed later.
func mainCSS(mark string) []byte {
	css := append(source(baseCSS), source("assets/"+MainCSS)...)
	return bytes.ReplaceAll(css, []byte("../"+extMark), []byte("../"+extMark+"?v="+mark))
}

// source is an embedded file, which is there since the program was built.
func source(name string) []byte {
	b, err := assetFS.ReadFile(name)
	if err != nil {
		panic("templates: embedded file: " + err.Error())
	}
	return b
}

// versionLen is how many hex digits of the hash a link carries: enough to tell
// a few hundred versions of one file apart.
const versionLen = 12

func newFile(name string, body []byte) *File {
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:16])
	f := &File{
		Name: name, ContentType: contentType(name), Body: body,
		ETag: `"` + digest + `"`, GzipETag: `"` + digest + `-gzip"`, version: digest[:versionLen],
	}
	if z := compress(body); len(z) < len(body)*9/10 {
		f.Gzip = z
	}
	return f
}

func compress(body []byte) []byte {
	var buf bytes.Buffer
	// Neither can fail: the level is in range and a Buffer takes all.
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	_, _ = z.Write(body)
	_ = z.Close()
	return buf.Bytes()
}

// contentType is told from the extension here, as the system's table of types
// differs between machines.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".ico":
		return "image/x-icon"
	case ".png":
		return "image/png"
	}
	return "application/octet-stream"
}

// What the pages without a project carry in themselves.
const (
	hostDir    = "assets/host"
	baseCSS    = hostDir + "/base.css" // what all pages share, in front of trac.css too
	hostCSS    = hostDir + "/host.css"
	hostScript = hostDir + "/filter.js"
)

type inline struct{ style, script, mark, icon, policy string }

var host = sync.OnceValue(func() inline {
	css := string(source(baseCSS)) + string(source(hostCSS))
	js := string(source(hostScript))
	icon := source("assets/" + DefaultIcon)
	return inline{
		mark:   string(icon),
		icon:   "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(icon),
		style:  "<style>" + css + "</style>",
		script: "<script>" + js + "</script>",
		policy: "default-src 'none'; style-src '" + integrity(css) + "'; script-src '" + integrity(js) +
			"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
	}
})

// integrity is how a content security policy names an inline text.
func integrity(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// HostPolicy is a Content-Security-Policy under which [Index] and [HostError]
// work: it allows their own style and script, by their hashes, and nothing else.
func HostPolicy() string { return host().policy }
