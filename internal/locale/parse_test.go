package locale_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"projhost/internal/locale"
)

func TestParse(t *testing.T) {
	zone := time.FixedZone("there", 2*60*60)
	now := time.Date(2024, 3, 7, 15, 4, 5, 0, zone) // a Thursday
	for _, c := range []struct{ locale, text, want string }{
		{"", "2024", "2024-01-01T00:00:00+02:00"},
		{"", "2024-02", "2024-02-01T00:00:00+02:00"},
		{"", "20240229", "2024-02-29T00:00:00+02:00"},
		{"", " 2024-02-29 ", "2024-02-29T00:00:00+02:00"},
		{"", "2024-02-29 17", "2024-02-29T17:00:00+02:00"},
		{"", "2024-02-29T17:05", "2024-02-29T17:05:00+02:00"},
		{"", "20240229T170506Z", "2024-02-29T17:05:06Z"},
		{"", "2024-02-29T17:05:06.25-03:30", "2024-02-29T17:05:06.25-03:30"},
		{"", "now", "2024-03-07T15:04:05+02:00"},
		{"", "Today", "2024-03-07T00:00:00+02:00"},
		{"", "yesterday", "2024-03-06T00:00:00+02:00"},
		{"", "tomorrow", "2024-03-08T00:00:00+02:00"},
		{"", "in 2 hours", "2024-03-07T17:04:05+02:00"},
		{"", "+1.5d", "2024-03-09T03:04:05+02:00"},
		{"", "3weeksago", "2024-02-15T15:04:05+02:00"},
		{"", "-2w", "2024-02-22T15:04:05+02:00"},
		{"", "1 month", "2024-02-06T15:04:05+02:00"},
		{"", "1y", "2023-03-08T15:04:05+02:00"},
		{"", "0.5 seconds ago", "2024-03-07T15:04:04.5+02:00"},
		{"", "lastmonth", "2024-02-01T00:00:00+02:00"},
		{"", "this week", "2024-03-04T00:00:00+02:00"},
		{"", "next week", "2024-03-11T00:00:00+02:00"},
		{"", "this hour", "2024-03-07T15:00:00+02:00"},
		{"", "next minute", "2024-03-07T15:05:00+02:00"},
		{"", "last second", "2024-03-07T15:04:04+02:00"},
		{"", "next year", "2025-01-01T00:00:00+02:00"},
		{"en_US", "03/05/2024", "2024-03-05T00:00:00+02:00"},
		{"en_US", "3/5/2024 10:04:09 pm", "2024-03-05T22:04:09+02:00"},
		{"en_US", "03/05/2024, 12:30:00 AM", "2024-03-05T00:30:00+02:00"},
		{"en_US", "03/05/2024 22:04", "2024-03-05T22:04:00+02:00"},
		{"ru_RU", "05.03.2024 22:04:09", "2024-03-05T22:04:09+02:00"},
		{"en_GB", "05/03/24", "2024-03-05T00:00:00+02:00"},
		{"ja_JP", "2024年03月05日 22時04分09秒", "2024-03-05T22:04:09+02:00"},
		{"en_IN", "05/03/24 10:04:09 PM", "2024-03-05T22:04:09+02:00"},
		{"en_IN", "05/03/24 10:04:09 PM UTC", "2024-03-05T22:04:09Z"},
		{"en_IN", "05/03/24 10:04:09 PM -03:30", "2024-03-05T22:04:09-03:30"},
		{"ru_RU", "2024-03-05", "2024-03-05T00:00:00+02:00"},
	} {
		l, _ := locale.Find(c.locale)
		got, err := l.Parse(c.text, now)
		if err != nil {
			t.Errorf("%s %q: %v", c.locale, c.text, err)
		} else if s := got.Format(time.RFC3339Nano); s != c.want {
			t.Errorf("%s %q: %s, want %s", c.locale, c.text, s, c.want)
		}
	}
	for _, text := range []string{"", "x", "2024-13", "2023-02-29", "2024-01-01 24:00", "2024-01-01T00:60", "2024-01-01T00:00+25", "in 3 days ago",
		"in 9999999999 years", "99999y", "next", "32.01.2024", "05.03.2024 x", "05.03.2024 25:00"} {
		l, _ := locale.Find("ru_RU")
		if got, err := l.Parse(text, now); !errors.Is(err, locale.ErrNoDate) || !strings.Contains(err.Error(), "07.03.2024") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	en, _ := locale.Find("en_US")
	if got, err := en.Parse("03/05/2024 13:00:00 PM", now); err == nil {
		t.Errorf("13 o'clock of a half: %v", got)
	}
}

// TestParseWritten reads what every locale writes.
func TestParseWritten(t *testing.T) {
	text, err := os.ReadFile("times.tsv")
	if err != nil {
		t.Fatal(err)
	}
	winter, summer := time.Date(2024, 3, 5, 22, 4, 9, 0, time.UTC), time.Date(2024, 11, 25, 9, 14, 0, 0, time.FixedZone("EST", -5*60*60))
	read := 0
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, "\t")
		l, ok := locale.Find(name)
		for _, at := range []time.Time{winter, summer} {
			written := l.DateTime(at)
			got, err := l.Parse(written, at)
			if !ok || err != nil || l.DateTime(got) != written || got.Year() != 2024 {
				t.Errorf("%s: %q is read as %v, %v", name, written, got, err)
			}
			read++
		}
	}
	if read < 600 {
		t.Errorf("only %d dates were read", read)
	}
}
