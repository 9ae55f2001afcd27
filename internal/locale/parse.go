package locale

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrNoDate says that a text is no moment that Parse understands.
var ErrNoDate = errors.New("not a date")

// Parse reads a moment as people type it, with now as the present in the zone
// they live in. It takes what Trac takes: ISO 8601, from the year alone to
// microseconds and a zone; the locale's own way; and words like "now",
// "tomorrow", "in 2 weeks", "3d ago", "last month". The error is an ErrNoDate
// that says what is understood.
func (l Locale) Parse(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, read := range []func(string, time.Time) (time.Time, bool){parseISO, l.parse, parseWords} {
		if t, ok := read(text, now); ok && t.Year() >= 1 && t.Year() <= 9999 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is %w; write it as %q, %q, \"now\", \"tomorrow\", \"in 2 weeks\" or \"3 days ago\"",
		text, ErrNoDate, l.example(now), now.Format("2006-01-02T15:04:05Z07:00"))
}

func (l Locale) example(now time.Time) string {
	if l.f == nil {
		return now.Format("2006-01-02 15:04:05")
	}
	return l.DateTime(now)
}

var isoDate = regexp.MustCompile(`^(\d{4})(?:-?(\d\d)(?:-?(\d\d))?)?(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6}))?)?)?)?(Z|[+-]\d\d(?::?\d\d)?)?$`)

func parseISO(text string, now time.Time) (time.Time, bool) {
	m := isoDate.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, false
	}
	d := day{month: 1, day: 1, zone: now.Location()}
	for i, to := range []*int{&d.year, &d.month, &d.day, &d.hour, &d.minute, &d.second} {
		if m[i+1] != "" {
			*to, _ = strconv.Atoi(m[i+1]) // digits, and few
		}
	}
	micro, _ := strconv.Atoi((m[7] + "000000")[:6])
	if z := m[8]; z != "" {
		zone, ok := parseZone(z)
		if !ok {
			return time.Time{}, false
		}
		d.zone = zone
	}
	t, ok := d.time()
	return t.Add(time.Duration(micro) * time.Microsecond), ok
}

func parseZone(z string) (*time.Location, bool) {
	if z == "Z" {
		return time.UTC, true
	}
	digits := strings.ReplaceAll(z[1:], ":", "") + "00"
	hours, _ := strconv.Atoi(digits[:2])
	minutes, _ := strconv.Atoi(digits[2:4])
	seconds := hours*3600 + minutes*60
	if z[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), hours < 24 && minutes < 60
}

// day is a date and a time of day, which may not exist.
type day struct {
	year, month, day, hour, minute, second int
	afternoon, half                        bool // what the halves of the day say
	zone                                   *time.Location
}

// time is the moment; false for one that is in no calendar.
func (d day) time() (time.Time, bool) {
	if d.half {
		if d.hour < 1 || d.hour > 12 {
			return time.Time{}, false
		}
		d.hour %= 12
		if d.afternoon {
			d.hour += 12
		}
	}
	if d.hour > 23 || d.minute > 59 || d.second > 59 || d.month < 1 || d.month > 12 || d.day < 1 {
		return time.Time{}, false
	}
	// Asked in UTC, where no hour is left out.
	inCalendar := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC).Day() == d.day
	return time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, 0, d.zone), inCalendar
}

// parse reads the locale's date, with its time of day, one without seconds, or none.
func (l Locale) parse(text string, now time.Time) (time.Time, bool) {
	if l.f == nil {
		return time.Time{}, false
	}
	for _, hour := range []string{l.f.hour, "%H:%M:%S", "%H:%M", ""} {
		d := day{zone: now.Location()}
		rest, ok := l.f.scan(&d, text, l.f.date)
		if ok && hour != "" {
			rest, ok = l.f.scan(&d, strings.TrimLeft(rest, ", "), hour)
		}
		if ok && strings.TrimSpace(rest) == "" {
			return d.time()
		}
	}
	return time.Time{}, false
}

// scan reads what append writes with the same format, and returns the rest.
func (f *formats) scan(d *day, text, format string) (rest string, ok bool) {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			r, size := utf8.DecodeRuneInString(format[i:])
			if unicode.IsSpace(r) {
				text = strings.TrimLeftFunc(text, unicode.IsSpace)
			} else if text, ok = strings.CutPrefix(text, format[i:i+size]); !ok {
				return "", false
			}
			i += size - 1
			continue
		}
		if i++; format[i] == '-' && i+1 < len(format) {
			i++
		}
		if text, ok = f.scanVerb(d, text, format[i]); !ok {
			return "", false
		}
	}
	return text, true
}

func (f *formats) scanVerb(d *day, text string, verb byte) (rest string, ok bool) {
	switch verb {
	case 'd', 'e':
		return scanNumber(&d.day, text, 2)
	case 'm':
		return scanNumber(&d.month, text, 2)
	case 'Y':
		return scanNumber(&d.year, text, 4)
	case 'y':
		if rest, ok = scanNumber(&d.year, text, 2); ok {
			d.year += 1900
			if d.year < 1969 { // as POSIX has it
				d.year += 100
			}
		}
		return rest, ok
	case 'H', 'k':
		return scanNumber(&d.hour, text, 2)
	case 'I', 'l':
		return scanNumber(&d.hour, text, 2)
	case 'M':
		return scanNumber(&d.minute, text, 2)
	case 'S':
		return scanNumber(&d.second, text, 2)
	case 'F':
		return f.scan(d, text, "%Y-%m-%d")
	case 'T':
		return f.scan(d, text, "%H:%M:%S")
	case 'R':
		return f.scan(d, text, "%H:%M")
	case 'z', 'Z':
		return scanZone(d, text)
	case '%':
		return strings.CutPrefix(text, "%")
	}
	return f.scanName(d, text, verb)
}

func scanNumber(to *int, text string, most int) (rest string, ok bool) {
	text = strings.TrimLeft(text, " ")
	n := 0
	for n < len(text) && n < most && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	value, err := strconv.Atoi(text[:n])
	*to = value
	return text[n:], err == nil
}

var zoneName = regexp.MustCompile(`^ *(?:([A-Za-z]+)|([+-]\d\d(?::?\d\d)?))`)

// scanZone reads a zone, if there is one: a difference from UTC, UTC, or what the
// zone that is known already is called in a month of the year.
func scanZone(d *day, text string) (rest string, ok bool) {
	m := zoneName.FindStringSubmatch(text)
	if m == nil {
		return text, true
	}
	rest = text[len(m[0]):]
	if m[2] != "" {
		zone, ok := parseZone(m[2])
		if ok {
			d.zone = zone
		}
		return rest, ok
	}
	if m[1] == "UTC" || m[1] == "GMT" {
		d.zone = time.UTC
		return rest, true
	}
	for month := range 12 {
		if name, _ := time.Date(2024, time.Month(month+1), 1, 0, 0, 0, 0, d.zone).Zone(); name == m[1] {
			return rest, true
		}
	}
	return text, true // it may be the name of something that comes next
}

// scanName reads a name, whatever its case; the name of a weekday says nothing.
func (f *formats) scanName(d *day, text string, verb byte) (rest string, ok bool) {
	var list []string
	switch verb {
	case 'p':
		list = f.halves
	case 'a':
		list = f.days[0]
	case 'A':
		list = f.days[1]
	case 'b', 'h':
		list = f.months[0]
	case 'B':
		list = f.months[1]
	default:
		return "", false
	}
	for i, name := range list {
		if name == "" || len(text) < len(name) || !strings.EqualFold(text[:len(name)], name) {
			continue
		}
		switch verb {
		case 'p':
			d.half, d.afternoon = true, i == 1
		case 'b', 'h', 'B':
			d.month = i + 1
		}
		return text[len(name):], true
	}
	return text, verb == 'p' && strings.Join(list, "") == "" // a locale that has no such names
}

var (
	distance = regexp.MustCompile(`^(in|\+|-)? *(\d+(?:\.\d*)?|\.\d+) *(second|minute|hour|day|week|month|year|[hdwmy])s? *(ago)?$`)
	period   = regexp.MustCompile(`^(this|last|next) *(second|minute|hour|day|week|month|year)$`)
)

// parseWords reads a moment told by its distance from now.
func parseWords(text string, now time.Time) (time.Time, bool) {
	text = strings.ToLower(text)
	today := startOf("day", now)
	switch text {
	case "now":
		return now, true
	case "today":
		return today, true
	case "yesterday":
		return today.AddDate(0, 0, -1), true
	case "tomorrow":
		return today.AddDate(0, 0, 1), true
	}
	if m := period.FindStringSubmatch(text); m != nil {
		start := startOf(m[2], now)
		switch m[1] {
		case "last":
			return step(m[2], start, -1), true
		case "next":
			return step(m[2], start, 1), true
		}
		return start, true
	}
	m := distance.FindStringSubmatch(text)
	if m == nil || m[4] != "" && m[1] != "" {
		return time.Time{}, false
	}
	n, err := strconv.ParseFloat(m[2], 64)
	seconds := n * unit(m[3])
	if err != nil || seconds > math.MaxInt32*100 {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	sign := time.Duration(-1)
	if m[1] == "in" || m[1] == "+" {
		sign = 1
	}
	at := time.Unix(now.Unix()+int64(sign)*int64(whole), int64(now.Nanosecond())).In(now.Location())
	return at.Add(sign * time.Duration(part*float64(time.Second))), true
}

// unit is the length in seconds; a month has 30 days, a year 365, as Trac counts.
func unit(name string) float64 {
	const dayLength = 24 * 60 * 60
	switch name {
	case "second":
		return 1
	case "minute":
		return 60
	case "hour", "h":
		return 60 * 60
	case "day", "d":
		return dayLength
	case "week", "w":
		return 7 * dayLength
	case "month", "m":
		return 30 * dayLength
	default:
		return 365 * dayLength
	}
}

// startOf is when the period that t is in began; weeks begin with Monday.
func startOf(name string, t time.Time) time.Time {
	y, m, d := t.Date()
	switch name {
	case "second":
		return t.Truncate(time.Second)
	case "minute":
		return t.Truncate(time.Minute)
	case "hour":
		return time.Date(y, m, d, t.Hour(), 0, 0, 0, t.Location())
	case "week":
		d -= (int(t.Weekday()) + 6) % 7
	case "month":
		d = 1
	case "year":
		m, d = time.January, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
}

// step goes n periods on.
func step(name string, t time.Time, n int) time.Time {
	switch name {
	case "second", "minute", "hour":
		return t.Add(time.Duration(float64(n)*unit(name)) * time.Second)
	case "day":
		return t.AddDate(0, 0, n)
	case "week":
		return t.AddDate(0, 0, 7*n)
	case "month":
		return t.AddDate(0, n, 0)
	default:
		return t.AddDate(n, 0, 0)
	}
}
