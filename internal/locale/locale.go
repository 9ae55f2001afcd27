// Package locale writes dates and times in the way of a place, as POSIX locales
// have it (the formats %x and %X of strftime, by LC_TIME). A Locale is a value
// that belongs to a request; nothing here is the process's.
package locale

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"time"
)

// times has a line for each locale: name, date, time, and the names that these
// two use: of the halves of the day, weekdays short and long, months short and
// long, separated by "|".
//
//go:generate go run generate.go /usr/share/i18n/locales
//go:embed times.tsv
var times string

// Locale is how dates are written. The zero value writes them as ISO 8601
// does, which is understood everywhere.
type Locale struct{ f *formats }

type formats struct {
	name       string
	date, hour string
	halves     []string
	days       [2][]string // short, long; Sunday first
	months     [2][]string
}

// iso names what the zero value does, as [trac] default_date_format calls it.
const iso = "iso8601"

// Find returns the locale of a name like "ru_RU", "ru_RU.UTF-8", "de_DE@euro"
// or "ru". "C", "POSIX" and "iso8601" are the zero Locale. It returns false, and
// the zero Locale, for one that is not known.
func Find(name string) (Locale, bool) {
	if name == "" {
		return Locale{}, false
	}
	name, modifier, _ := strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, ".")
	name = strings.ReplaceAll(name, "-", "_")
	switch {
	case name == "C", name == "POSIX", name == iso:
		return Locale{}, true
	case modifier != "":
		if f, ok := table()[name+"@"+modifier]; ok {
			return Locale{f}, true
		}
	}
	f, ok := table()[name]
	return Locale{f}, ok
}

// Name is the locale's, "iso8601" for the zero value.
func (l Locale) Name() string {
	if l.f == nil {
		return iso
	}
	return l.f.name
}

// DateTime writes a moment with its date and time of day: as strftime's
// "%x %X" does, or for the zero Locale like "2024-03-03 10:00 UTC".
func (l Locale) DateTime(t time.Time) string {
	if l.f == nil {
		return t.Format("2006-01-02 15:04 MST")
	}
	return string(l.f.append(append(l.f.append(nil, l.f.date, t), ' '), l.f.hour, t))
}

// append writes t in a format of strftime's.
func (f *formats) append(b []byte, format string, t time.Time) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b = append(b, format[i])
			continue
		}
		i++
		plain := format[i] == '-' && i+1 < len(format)
		if plain {
			i++
		}
		b = f.verb(b, format[i], plain, t)
	}
	return b
}

// verb writes one conversion; plain is without padding. What is not known is
// left as it is.
func (f *formats) verb(b []byte, verb byte, plain bool, t time.Time) []byte {
	two := "%02d"
	if plain {
		two = "%d"
	}
	switch verb {
	case 'd':
		return fmt.Appendf(b, two, t.Day())
	case 'e':
		return fmt.Appendf(b, "%2d", t.Day())
	case 'm':
		return fmt.Appendf(b, two, int(t.Month()))
	case 'y':
		return fmt.Appendf(b, "%02d", t.Year()%100)
	case 'Y':
		return fmt.Appendf(b, "%d", t.Year())
	case 'H':
		return fmt.Appendf(b, two, t.Hour())
	case 'k':
		return fmt.Appendf(b, "%2d", t.Hour())
	case 'I':
		return fmt.Appendf(b, two, (t.Hour()+11)%12+1)
	case 'l':
		return fmt.Appendf(b, "%2d", (t.Hour()+11)%12+1)
	case 'M':
		return fmt.Appendf(b, two, t.Minute())
	case 'S':
		return fmt.Appendf(b, two, t.Second())
	case 'F':
		return t.AppendFormat(b, "2006-01-02")
	case 'T':
		return t.AppendFormat(b, "15:04:05")
	case 'R':
		return t.AppendFormat(b, "15:04")
	case 'z':
		return t.AppendFormat(b, "-0700")
	case 'Z':
		return t.AppendFormat(b, "MST")
	case '%':
		return append(b, '%')
	}
	if name, ok := f.named(verb, t); ok {
		return append(b, name...)
	}
	return append(b, '%', verb)
}

// named is what has a name: a day, a month, a half of the day.
func (f *formats) named(verb byte, t time.Time) (string, bool) {
	list, i := f.halves, t.Hour()/12
	switch verb {
	case 'p':
	case 'a':
		list, i = f.days[0], int(t.Weekday())
	case 'A':
		list, i = f.days[1], int(t.Weekday())
	case 'b', 'h':
		list, i = f.months[0], int(t.Month())-1
	case 'B':
		list, i = f.months[1], int(t.Month())-1
	default:
		return "", false
	}
	if i >= len(list) {
		return "", true
	}
	return list[i], true
}

// table has the locales by name, and each language alone by the first of its
// locales that is spoken where it has its name from, or else the first.
func table() map[string]*formats { return parsed() }

var parsed = sync.OnceValue(func() map[string]*formats {
	all := make(map[string]*formats)
	for line := range strings.Lines(times) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for len(fields) < 8 {
			fields = append(fields, "")
		}
		names := func(i int) []string {
			if fields[i] == "" {
				return nil
			}
			return strings.Split(fields[i], "|")
		}
		f := &formats{
			name: fields[0], date: fields[1], hour: fields[2], halves: names(3),
			days: [2][]string{names(4), names(5)}, months: [2][]string{names(6), names(7)},
		}
		all[f.name] = f
		language, place, _ := strings.Cut(f.name, "_")
		if _, ok := all[language]; !ok || strings.EqualFold(language, place) {
			all[language] = f
		}
	}
	for language, place := range map[string]string{"en": "en_US", "zh": "zh_CN", "ja": "ja_JP", "cs": "cs_CZ", "sv": "sv_SE", "da": "da_DK", "pt": "pt_PT", "el": "el_GR", "uk": "uk_UA"} {
		if f, ok := all[place]; ok {
			all[language] = f
		}
	}
	return all
})
