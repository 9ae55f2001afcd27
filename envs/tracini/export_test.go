package tracini

import (
	"io/fs"
	"os"

	"projhost/internal/stamp"
)

// Parsed is what parse makes of a text, for tests of the package's outside.
type Parsed struct {
	Sections []string
	Settings []Setting // sorted
	Lines    []int
	Starts   []int // in bytes
	Ends     []int
}

// Parse is parse.
func Parse(text string) (Parsed, *Error) {
	src, bad := parse(text)
	if bad != nil {
		return Parsed{}, bad
	}
	p := Parsed{Sections: src.sections}
	for _, s := range src.settings {
		p.Settings = append(p.Settings, Setting{s.section, s.name, s.value})
		p.Lines = append(p.Lines, s.line)
		p.Starts = append(p.Starts, s.start)
		p.Ends = append(p.Ends, s.end)
	}
	return p, nil
}

// Replace is replace, by which a changed file gets into its place.
func Replace(file, text string, seen stamp.File) error { return replace(file, text, seen) }

// Alike is alike, which makes a new file like the old one.
func Alike(f *os.File, old fs.FileInfo) error { return alike(f, old) }
