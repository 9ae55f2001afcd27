package markup

import "strings"

// Shorthands: #12 {3} [5] r5 [5:9] r5:9, each with the short name of another
// site before its number if the text has one: #T12, [trac 5]. Such a one is a
// link to that site, "T:ticket:12".

// shorthand emits a link to realm:target, or to site:realm:target.
func (sc *scanner) shorthand(site, realm, target, text string) {
	if site != "" {
		realm, target = site, sc.b.made(realm+":"+target)
	}
	sc.link(newLink(FormShorthand, realm, target, "", text), text)
}

// site returns the end of the short name of another site at i, and the start of
// the number behind it.
func (sc *scanner) site(i int, space bool) (end, number int) {
	end = runOf(sc.s, i, func(c byte) bool { return isAlpha(c) || c == '.' || c == '+' || c == '-' })
	if number = end; space && end > i {
		number += spaces(sc.s, end)
	}
	return end, number
}

// ranges returns the end of "1", "1-3", "1,3:5" at i, or i.
func ranges(s string, i int) int {
	end := i
	for {
		n := runOf(s, i, isDigit)
		if n == i {
			return end
		}
		end = n
		if n < len(s) && (s[n] == '-' || s[n] == ':') {
			if m := runOf(s, n+1, isDigit); m > n+1 {
				end = m
			}
		}
		if end == len(s) || s[end] != ',' {
			return end
		}
		i = end + 1
	}
}

// ticket matches #12 and #1,3-5, but not within an entity as &#12;.
func (sc *scanner) ticket(i int) (int, bool) {
	if before(sc.s, i) == '&' {
		return 0, false
	}
	site, start := sc.site(i+1, false)
	end := ranges(sc.s, start)
	if end == start {
		return 0, false
	}
	sc.shorthand(sc.s[i+1:site], "ticket", sc.s[start:end], sc.s[i:end])
	return end, true
}

// report matches {3}.
func (sc *scanner) report(i int) (int, bool) {
	site, start := sc.site(i+1, true)
	end := runOf(sc.s, start, isDigit)
	if end == start || !sc.has(end, "}") {
		return 0, false
	}
	sc.shorthand(sc.s[i+1:site], "report", sc.s[start:end], sc.s[i:end+1])
	return end + 1, true
}

// revisionID returns the end of a number or of eight or more hexadecimal digits
// at i, or i.
func revisionID(s string, i int) int {
	if hex := runOf(s, i, isHex); hex >= i+8 {
		return hex
	}
	return runOf(s, i, isDigit)
}

// changeset matches [5], [5/path], [deadbeef], [5#anchor].
func (sc *scanner) changeset(i int) (int, bool) {
	site, start := i+1, i+1
	id := revisionID(sc.s, start)
	if !sc.endsID(id, start) {
		site, start = sc.site(i+1, true)
		if id = revisionID(sc.s, start); !sc.endsID(id, start) {
			return 0, false
		}
	}
	end := sc.label.find(sc.s, "]", id)
	if end == len(sc.s) {
		return 0, false
	}
	sc.shorthand(sc.s[i+1:site], "changeset", sc.s[start:end], sc.s[i:end+1])
	return end + 1, true
}

// endsID reports whether a revision from start may end at i, in brackets.
func (sc *scanner) endsID(i, start int) bool {
	return i > start && i < len(sc.s) && strings.IndexByte("/?#]", sc.s[i]) >= 0
}

// logRange matches [5:9], [5-9,12/path].
func (sc *scanner) logRange(i int) (int, bool) {
	site, start := sc.site(i+1, true)
	revs := ranges(sc.s, start)
	if revs == start || revs == len(sc.s) || strings.IndexByte("/?]", sc.s[revs]) < 0 {
		return 0, false
	}
	end := sc.label.find(sc.s, "]", revs)
	if end == len(sc.s) {
		return 0, false
	}
	sc.log(sc.s[i+1:site], sc.s[start:revs], sc.s[revs:end], sc.s[i:end+1])
	return end + 1, true
}

// log emits a link to the log of revisions of a path, "log:/path@5:9".
func (sc *scanner) log(site, revs, path, text string) {
	path, query, fragment := splitTarget(path)
	if path == "" {
		path = "/"
	}
	sc.shorthand(site, "log", sc.b.made(path+"@"+revs+query+fragment), text)
}

// revision matches r5, r5/path and r5:9, r5:9/path.
func (sc *scanner) revision(i int) (int, bool) {
	if r := before(sc.s, i); r >= 0 && isWord(r) {
		return 0, false
	}
	n := runOf(sc.s, i+1, isDigit)
	if n == i+1 {
		return 0, false
	}
	if sc.has(n, ":") {
		if m := runOf(sc.s, n+1, isDigit); m > n+1 {
			if wordRun(sc.s, m, "") != m {
				return 0, false
			}
			end := sc.revisionPath(m)
			sc.log("", sc.s[i+1:m], sc.s[m:end], sc.s[i:end])
			return end, true
		}
	}
	if wordRun(sc.s, n, "") != n {
		return 0, false
	}
	end := sc.revisionPath(n)
	sc.shorthand("", "changeset", sc.s[i+1:end], sc.s[i:end])
	return end, true
}

// revisionPath returns the end of the path that may follow a revision.
func (sc *scanner) revisionPath(i int) int {
	if !sc.has(i, "/") {
		return i
	}
	end := runOf(sc.s, i+1, func(c byte) bool { return isAlnum(c) || strings.IndexByte("_/+-", c) >= 0 })
	if end == i+1 {
		return i
	}
	return end
}
