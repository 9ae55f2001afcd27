package envlog

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// format is how a line looks: literal text and fields of the record, in Python's
// way ("%(levelname)-8s"), with "$(" for "%(" as trac.ini has it.
type format struct {
	parts  []part
	clock  string // layout of asctime
	dir    string
	title  string
	opened time.Time
}

// part is a text, or a field and how it is written.
type part struct {
	text  string
	field string
	verb  string // "%-8s"
}

// standard is Trac's format, before which a file and stderr have the time.
const standard = "Trac[$(module)s] $(levelname)s: $(message)s"

// newFormat reads the format of an environment's log. If it cannot, the error says
// why, and the standard format is returned with it.
func newFormat(s Settings) (*format, error) {
	f := &format{clock: "2006-01-02 15:04:05,000", dir: s.Dir, title: s.Project, opened: time.Now()}
	text := standard
	if s.Type == "file" || s.Type == "stderr" {
		text = "$(asctime)s " + standard
	}
	if s.Type == "stderr" {
		f.clock = time.TimeOnly
	}
	f.parts, _ = parse(text)
	if s.Format == "" {
		return f, nil
	}
	parts, err := parse(s.Format)
	if err != nil {
		return f, err
	}
	f.parts = parts
	return f, nil
}

// fieldAt matches a field of a format.
var fieldAt = regexp.MustCompile(`^[$%]\((\w+)\)([-+ 0]*\d{0,3}(?:\.\d{1,2})?)([sdifr])`)

// parse cuts a format into its parts.
func parse(text string) (parts []part, err error) {
	literal := ""
	for text != "" {
		next := strings.IndexAny(text, "$%")
		if next < 0 {
			next = len(text)
		}
		literal += text[:next]
		text = text[next:]
		switch m := fieldAt.FindStringSubmatch(text); {
		case text == "":
		case m != nil:
			p, err := newPart(m[1], m[2], m[3])
			if err != nil {
				return nil, err
			}
			parts = append(parts, part{text: literal}, p)
			literal, text = "", text[len(m[0]):]
		case strings.HasPrefix(text, "%%"):
			literal, text = literal+"%", text[2:]
		case text[0] == '$' && !strings.HasPrefix(text, "$("):
			literal, text = literal+"$", text[1:]
		default:
			return nil, fmt.Errorf("%.20q is no field", text)
		}
	}
	return append(parts, part{text: literal}), nil
}

// newPart makes a part of a field; verb is one of s d i f r.
func newPart(field, flags, verb string) (part, error) {
	value := (&format{}).field(field, &slog.Record{}, nil)
	switch value.(type) {
	case nil:
		return part{}, fmt.Errorf("there is no field %s", field)
	case string:
		if verb != "s" && verb != "r" {
			return part{}, fmt.Errorf("the field %s is text and not for %%%s", field, verb)
		}
	}
	verb = map[string]string{"s": "v", "r": "q", "d": "d", "i": "d", "f": "f"}[verb] // Go's
	return part{field: field, verb: "%" + flags + verb}, nil
}

// append appends the line of a record; attrs are its attributes as text.
func (f *format) append(line []byte, r slog.Record, attrs []byte) []byte {
	for _, p := range f.parts {
		if line = append(line, p.text...); p.field != "" {
			line = fmt.Appendf(line, p.verb, fitting(p.verb, f.field(p.field, &r, attrs)))
		}
	}
	return line
}

// fitting converts a number for the verb that it is written with.
func fitting(verb string, value any) any {
	switch number := value.(type) {
	case int:
		if strings.HasSuffix(verb, "f") {
			return float64(number)
		}
	case float64:
		if strings.HasSuffix(verb, "d") {
			return int(number)
		}
	}
	return value
}

// field is a field's value: a string, an int or a float64; nil if there is no such
// field (Python 3: LogRecord attributes; Trac: path, basename, project).
func (f *format) field(name string, r *slog.Record, attrs []byte) any {
	switch name {
	case "asctime":
		return r.Time.Format(f.clock)
	case "created":
		return float64(r.Time.UnixMicro()) / 1e6
	case "msecs":
		return float64(r.Time.Nanosecond()) / 1e6
	case "relativeCreated":
		return float64(r.Time.Sub(f.opened).Microseconds()) / 1e3
	case "levelname":
		return levelName(r.Level)
	case "levelno":
		return int(r.Level)*10/4 + 20 // DEBUG 10, INFO 20 … CRITICAL 50
	case "message":
		return strings.TrimRight(r.Message+" "+string(attrs), " \n")
	case "process":
		return os.Getpid()
	case "processName":
		return "MainProcess"
	case "thread":
		return 0
	case "threadName":
		return "MainThread"
	case "name":
		return fmt.Sprintf("Trac.%x", sha1.Sum([]byte(f.dir)))
	case "path":
		return f.dir
	case "basename":
		return filepath.Base(f.dir)
	case "project":
		return f.title
	case "module", "filename", "pathname", "funcName", "lineno":
		return source(name, r.PC)
	}
	return nil
}

// source tells where in the program a line comes from. Directories of the machine
// that has compiled it are left out.
func source(field string, pc uintptr) any {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	pkg, function, _ := strings.Cut(path.Base(frame.Function), ".")
	file := path.Base(frame.File)
	switch field {
	case "module":
		return pkg
	case "filename":
		return file
	case "pathname":
		return pkg + "/" + file
	case "funcName":
		return function
	}
	return frame.Line
}

// levelName is Python's name of a level.
func levelName(l slog.Level) string {
	switch {
	case l >= critical:
		return "CRITICAL"
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARNING"
	case l >= slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// oneLine makes sure that a line is one, of bounded length: nothing in it can look
// like another line, or steer a terminal.
func oneLine(line []byte) []byte {
	line = bytes.TrimRight(line[:min(len(line), maxLine)], "\n")
	if !bytes.ContainsFunc(line, odd) {
		return line
	}
	escaped := make([]byte, 0, len(line)+16)
	for len(line) > 0 {
		c, n := utf8.DecodeRune(line)
		switch {
		case c == utf8.RuneError && n == 1:
			escaped = fmt.Appendf(escaped, `\x%02x`, line[0])
		case c == '\n':
			escaped = append(escaped, `\n`...)
		case odd(c):
			escaped = fmt.Appendf(escaped, `\u%04x`, c)
		default:
			escaped = append(escaped, line[:n]...)
		}
		line = line[n:]
	}
	return escaped
}

// odd characters are those that are no part of a line's text: controls, ends of
// lines and paragraphs, and what turns the direction of writing.
func odd(c rune) bool {
	return c != '\t' && (c == utf8.RuneError || unicode.In(c, unicode.C, unicode.Zl, unicode.Zp))
}
