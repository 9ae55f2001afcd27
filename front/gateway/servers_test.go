package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"projhost/front/gateway"
)

// TestServers reads testdata/servers.txt, which says what it is.
func TestServers(t *testing.T) {
	data, err := os.ReadFile("testdata/servers.txt")
	if err != nil {
		t.Fatal(err)
	}
	var name, common string
	tried := 0
	for i, line := range strings.Split(string(data), "\n") {
		switch {
		case strings.HasPrefix(line, "# "):
			name = line[2:]
		case strings.HasPrefix(line, ": "):
			common = line[2:]
		case line != "":
			tried++
			sent, want, ok := strings.Cut(line, " => ")
			if !ok {
				t.Fatalf("line %d has no result", i+1)
			}
			target, sent, _ := strings.Cut(sent, " ")
			t.Run(name+": "+target, func(t *testing.T) {
				pairs := append(readPairs(t, common+" "+sent),
					gateway.Pair{Name: "REQUEST_METHOD", Value: "GET"}, gateway.Pair{Name: "REQUEST_URI", Value: target})
				if got := outcome(pairs); got != want {
					t.Errorf("line %d\n%s\ngot  %s\nwant %s", i+1, sent, got, want)
				}
			})
		}
	}
	if tried < 300 {
		t.Errorf("only %d lines", tried)
	}
}

// readPairs reads `NAME="value" NAME="value"`.
func readPairs(t *testing.T, s string) []gateway.Pair {
	t.Helper()
	var pairs []gateway.Pair
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		name, rest, _ := strings.Cut(s, "=")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			t.Fatalf("%q: %v", rest, err)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, gateway.Pair{Name: name, Value: value})
		s = rest[len(quoted):]
	}
	return pairs
}

// outcome says what becomes of a request, in the words of servers.txt.
func outcome(pairs []gateway.Pair) string {
	v, err := gateway.New(nil, pairs)
	if err != nil {
		var e *gateway.Error
		switch {
		case !errors.As(err, &e):
			return "not an *Error: " + err.Error()
		case e.Location != "":
			return "moved " + e.Location
		}
		return "refused " + e.Name
	}
	r, err := gateway.NewRequest(context.Background(), v, nil)
	if err != nil {
		return "no request: " + err.Error()
	}
	return fmt.Sprintf("%q %q", v.Script(), r.URL.Path)
}
