package db

import (
	"strconv"
	"strings"
	"sync"
)

// numbered are statements with PostgreSQL's placeholders, by those with ours.
type numbered struct {
	mu    sync.Mutex
	known map[string]string
}

// maxNumbered bounds the statements that are remembered: reports of users are
// statements, too.
const maxNumbered = 2048

func (n *numbered) get(query string) string {
	if strings.IndexByte(query, '?') < 0 {
		return query
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	text, ok := n.known[query]
	if !ok {
		if n.known == nil || len(n.known) >= maxNumbered {
			n.known = map[string]string{}
		}
		text = number(query)
		n.known[query] = text
	}
	return text
}

// number writes $1, $2, … for each "?" that is not within quotes or a comment.
func number(query string) string {
	var b strings.Builder
	n := 0
	for i := 0; i < len(query); {
		if end := skipped(query[i:]); end > 0 {
			b.WriteString(query[i : i+end])
			i += end
			continue
		}
		if query[i] == '?' {
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		} else {
			b.WriteByte(query[i])
		}
		i++
	}
	return b.String()
}

// skipped is how long the text in quotes, or the comment, is that s begins with;
// 0 if it begins with neither. A quote that is doubled begins another text.
func skipped(s string) int {
	for _, pair := range [][2]string{{"'", "'"}, {`"`, `"`}, {"--", "\n"}, {"/*", "*/"}} {
		if after, ok := strings.CutPrefix(s, pair[0]); ok {
			if end := strings.Index(after, pair[1]); end >= 0 {
				return len(pair[0]) + end + len(pair[1])
			}
			return len(s)
		}
	}
	return 0
}

// Quote quotes names of SQL, parted by commas.
func Quote(names ...string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return strings.Join(quoted, ", ")
}
