package backup

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"projhost/db/convert"
)

// format is the version of archives that are written, and the only one read.
const format = 1

// Manifest says what is in an archive.
type Manifest struct {
	Format      int       `json:"format"`
	Made        time.Time `json:"made"`
	Environment string    `json:"environment"` // its directory's name
	Database    Database  `json:"database"`
	// Inherits are the files that trac.ini inherits from; they are not included.
	Inherits []Name `json:"inherits,omitempty"`
	// Missing are attachments that the database knows and that have no file.
	Missing []Name `json:"missing,omitempty"`
	// LeftOut is what was in the directory and cannot be in an archive.
	LeftOut []Omission `json:"left_out,omitempty"`
	Files   []File     `json:"files"`
}

// Database is what is known of an environment's database.
type Database struct {
	Path Name `json:"path"` // below the environment's directory
	// Setting is what [trac] database says when the environment is restored.
	Setting string           `json:"setting"`
	Moved   bool             `json:"moved,omitempty"` // it said something else
	Version int              `json:"version"`
	Tables  map[string]int64 `json:"tables"` // how many rows

	// Of one that was in a server:

	Kind string                    `json:"kind,omitempty"` // "postgres"
	Sums map[string]convert.Digest `json:"sums,omitempty"` // of the rows of each table
	// Counted are the numbers that were given last, by table.
	Counted map[string]int64 `json:"counted,omitempty"`
	// Left is what is not in the copy, or not as it was.
	Left []string `json:"left,omitempty"`
}

// File is a regular file, or a symbolic link.
type File struct {
	Path   Name   `json:"path"` // below the environment's directory
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
	Link   Name   `json:"link,omitempty"`   // where a link leads
}

// Omission is what is not in an archive, and why.
type Omission struct {
	Path Name   `json:"path"`
	Why  string `json:"why"`
}

// Name is a file's name, with slashes: any bytes, in JSON too.
type Name string

// rawName is how JSON has a name that is not text.
type rawName struct {
	Bytes []byte `json:"bytes"`
}

// MarshalJSON implements [json.Marshaler].
func (n Name) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(n)) {
		return json.Marshal(string(n))
	}
	return json.Marshal(rawName{[]byte(n)})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (n *Name) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '{' {
		return json.Unmarshal(text, (*string)(n))
	}
	var raw rawName
	err := json.Unmarshal(text, &raw)
	*n = Name(raw.Bytes)
	return err
}

// show is a name as people may read it, on one line.
func (n Name) show() string {
	s := string(n)
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// compareFiles tells what of the files is not as the manifest says.
func (m *Manifest) compareFiles(found map[Name]File) (list []Difference) {
	known := map[Name]bool{}
	for _, want := range m.Files {
		known[want.Path] = true
		got, ok := found[want.Path]
		what := "file " + want.Path.show()
		switch {
		case !ok:
			list = append(list, Difference{what, "there", "not there"})
		case got.Link != want.Link:
			list = append(list, Difference{what, "a link to " + want.Link.show(), "a link to " + got.Link.show()})
		case got.Size != want.Size:
			list = append(list, Difference{what, fmt.Sprintf("%d bytes", want.Size), fmt.Sprintf("%d bytes", got.Size)})
		case got.SHA256 != want.SHA256:
			list = append(list, Difference{what, "sha256 " + want.SHA256, "sha256 " + got.SHA256})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !known[name] {
			list = append(list, Difference{"file " + name.show(), "not there", "there"})
		}
	}
	return list
}

// compareTables tells which tables have another number of rows, or others.
func (m *Manifest) compareTables(found map[string]int64, sums map[string]convert.Digest) (list []Difference) {
	rows := func(n int64, ok bool) string {
		if !ok {
			return "no such table"
		}
		return fmt.Sprintf("%d rows", n)
	}
	names := maps.Clone(found)
	if names == nil {
		names = map[string]int64{}
	}
	maps.Copy(names, m.Database.Tables)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		want, wanted := m.Database.Tables[name]
		got, ok := found[name]
		if want != got || wanted != ok {
			list = append(list, Difference{"table " + name, rows(want, wanted), rows(got, ok)})
		} else if sum, ok := m.Database.Sums[name]; ok && sum != sums[name] {
			list = append(list, Difference{"table " + name, "the rows that were in the server", "others"})
		}
	}
	return list
}
