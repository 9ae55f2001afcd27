package export

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"regexp"
	"strings"
)

// An answer lies where a web server looks that knows nothing but files: a page
// /wiki/A in wiki/A/index.html, since /wiki/A/B may be there, too; a file
// /chrome/site/a.css in chrome/site/a.css. With a query, which a plain web
// server leaves out of account, it lies in .export/q/QUERY/wiki/A/index.html, or
// index.txt if it is a text. What cannot lie there lies in .export/o, and the
// web server is told of each: names that are too long for a file system, pages
// called index.html, a file where a directory must be.

// The files of a page and of a text that a query asks for.
const (
	pageFile = "index.html"
	textFile = "index.txt"
)

const (
	queryDir = ".export/q"
	otherDir = ".export/o"
	// maxName and maxPath bound, in bytes, what file systems and web servers take.
	maxName = 255
	maxPath = 2000
)

// usableQueries are the queries that a file can be found by: without a slash or a
// dot in front, so that none leads elsewhere.
const usableQueries = `^[A-Za-z0-9_=&%+~-][A-Za-z0-9_=&.%+~-]{0,199}$`

var usableQuery = regexp.MustCompile(usableQueries)

// address is one of the project's: its path, decoded and without a slash at its
// end, "/" for the first page; and its query as it stands in links.
type address struct{ path, query string }

func (a address) String() string {
	if a.query == "" {
		return a.path
	}
	return a.path + "?" + a.query
}

// kind is what an answer is.
type kind int

const (
	kindPage kind = iota
	kindFile
)

// fileOf is where an answer lies, below the directory of the export.
func fileOf(a address, k kind) string {
	name := strings.Trim(a.path, "/")
	switch {
	case a.query == "" && k == kindFile:
		return name
	case a.query == "":
		return path.Join(name, pageFile)
	}
	return path.Join(queryDir, a.query, name, leaf(k))
}

// leaf is the file in the directory of a page.
func leaf(k kind) string {
	if k == kindFile {
		return textFile
	}
	return pageFile
}

// usual tells whether a path can be one of files, as far as it alone tells.
func usual(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if len(part) > maxName {
			return false
		}
	}
	return len(path) <= maxPath
}

// ownDir is where the answers of a path lie that have no usual place.
func ownDir(p string) string {
	sum := sha256.Sum256([]byte(p))
	return path.Join(otherDir, hex.EncodeToString(sum[:16]))
}

var plainExt = regexp.MustCompile(`^\.[A-Za-z0-9]{1,10}$`)

// otherFileOf is fileOf for what has no usual place. A file keeps the end of its
// name, which tells web servers its type.
func otherFileOf(a address, k kind) string {
	switch {
	case a.query != "":
		return path.Join(ownDir(a.path), "q", a.query, leaf(k))
	case k == kindPage:
		return path.Join(ownDir(a.path), pageFile)
	}
	ext := path.Ext(a.path)
	if !plainExt.MatchString(ext) {
		ext = ""
	}
	return path.Join(ownDir(a.path), "file"+ext)
}
