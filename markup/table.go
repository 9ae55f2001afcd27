package markup

import "strings"

// maxSpan is the most columns a cell may span (HTML's own limit).
const maxSpan = 1000

// row matches a row separator. Trac 1.6: white space, "|" and one or more "-",
// then attributes; all of it, and the white space behind it, is dropped.
func (sc *scanner) row(i int) (int, bool) {
	if i < sc.noRow {
		return 0, false
	}
	bar := i + spaces(sc.s, i)
	if !sc.has(bar, "|-") {
		sc.noRow = bar
		return 0, false
	}
	end := runOf(sc.s, bar+1, func(c byte) bool { return c == '-' })
	end += spaces(sc.s, end)
	var last attr
	for {
		a, next := oneAttr(sc.s, end)
		if next == 0 {
			break
		}
		last = a
		end = next + spaces(sc.s, next)
	}
	var list []attr
	if last.name != "" {
		list = []attr{last}
	}
	sc.emit(node{kind: tRow, text: sc.b.made(attributes(list))})
	return end, true
}

// cell matches the separator that opens a cell: an optional "=", pairs of bars,
// an optional "=".
func (sc *scanner) cell(i int) (int, bool) {
	bars := i
	if sc.has(i, "=") {
		bars++
	}
	end := bars
	for sc.has(end, "||") {
		end += 2
	}
	if end == bars {
		return 0, false
	}
	t := node{kind: tCell, n: uint16(min((end-bars)/2, maxSpan))}
	if sc.has(end, "=") {
		t.flag |= fHeader
		end++
	}
	if !sc.inline {
		t.flag |= sc.align(end)
		end = sc.last(end, &t)
	}
	t.text = sc.s[i:end]
	sc.emit(t)
	return end, true
}

// last marks t if only white space and a "\" are left of its line, and returns
// the end of the line then. That last separator opens a cell less.
func (sc *scanner) last(end int, t *node) int {
	stop := end + spaces(sc.s, end)
	if sc.has(stop, `\`) {
		stop++
		t.flag |= fContinue
	}
	if stop < len(sc.s) {
		t.flag &^= fContinue
		return end
	}
	t.flag |= fLast
	t.n--
	return stop
}

// align tells from the raw line how the text of the cell that starts at i is
// aligned. Trac 1.6: text that touches its separator on one side only goes to
// that side; with two spaces or more on both it is centred. Separators inside
// verbatim text count too.
func (sc *scanner) align(i int) uint8 {
	left := i < len(sc.s) && sc.s[i] != ' '
	edge, ok := sc.nextEdge(i)
	right := ok && sc.s[edge] != ' '
	switch {
	case left && right:
		return 0
	case left:
		return fLeft
	case right:
		return fRight
	case ok && i+1 < edge-1 && sc.s[i+1] == ' ' && sc.s[edge-1] == ' ':
		return fLeft | fRight
	}
	return 0
}

// nextEdge returns the position of the character before the next separator, an
// "=" of which is skipped; an escaped separator does not count.
func (sc *scanner) nextEdge(i int) (int, bool) {
	at := sc.nextBars(i + 1)
	if at >= len(sc.s) {
		return 0, false
	}
	edge := at - 1
	if sc.s[edge] == '=' && edge > i && sc.s[edge-1] != '!' {
		edge--
	}
	return edge, true
}

// nextBars returns the first "||" from i on that has no "!" before it, or the
// length of the line.
func (sc *scanner) nextBars(i int) int {
	if f := sc.bars; f.from <= i && i <= f.at && f.at > 0 {
		return f.at
	}
	at := min(i, len(sc.s))
	for at < len(sc.s) {
		n := strings.Index(sc.s[at:], "||")
		if n < 0 {
			at = len(sc.s)
			break
		}
		if at += n; sc.s[at-1] != '!' {
			break
		}
		at++
	}
	sc.bars = finder{i, at}
	return at
}

// openRow opens a row, and a table around it, unless one is open. Trac 1.6: a
// table closes the paragraph, the lists and the definitions around it, not the
// quotes.
func (f *frame) openRow(attrs string) {
	f.openTable()
	if !f.row {
		f.row = true
		f.push(node{kind: kRow, text: attrs})
	}
}

func (f *frame) openTable() {
	if f.table {
		return
	}
	f.closeParagraph()
	f.closeLists(0)
	f.closeDefs()
	f.table = true
	f.push(node{kind: kTable, text: ` class="wiki"`})
}

// closeTable closes the table with its row and cell.
func (f *frame) closeTable() {
	if f.table {
		f.closeThrough(kTable)
	}
}

func (f *frame) closeRow() {
	if f.row {
		f.closeThrough(kRow)
	}
}

// structure does what the first separator of a line does before any of the
// line's own text is written: Trac 1.6 puts text before the first cell into the
// row, not in front of the table.
func (f *frame) structure(t node) {
	f.tableLine = true
	if t.kind == tCell {
		f.openRow("")
		return
	}
	f.openTable()
	f.closeRow()
	f.openRow(t.text)
	f.continued = true
}

// separator does what a cell or row separator does at its place in the line.
func (f *frame) separator(t node) {
	if t.kind == tRow {
		f.structure(t)
		return
	}
	f.tableLine = true
	f.openRow("")
	f.continued = t.flag&fLast != 0 && t.flag&fContinue != 0
	if t.n == 0 {
		return
	}
	f.closeCell()
	f.cell = true
	f.push(node{kind: kCell, flag: t.flag & (fHeader | fLeft | fRight), n: t.n})
}

func (f *frame) closeCell() {
	if f.cell {
		f.closeThrough(kCell)
		return
	}
	f.in.closeStyles()
	f.closeDefs()
}

// tableWords reports whether s has what separators are made of.
func tableWords(s string) bool {
	return strings.Contains(s, "||") || strings.Contains(s, "|-")
}

// cellBlock adds a cell with blocks in it, in the open row or a new one.
func (f *frame) cellBlock(c *codeBlock) {
	f.openRow("")
	f.closeCell()
	n := node{kind: kCell, text: f.b.made(attributes(parseArgs(c.args)))}
	if c.name == "th" {
		n.flag = fHeader
	}
	f.push(n)
	f.nested(c)
	f.b.pop()
}

// rowBlock adds a row: the cells of the one table that its content makes.
func (f *frame) rowBlock(c *codeBlock) {
	f.closeRow()
	f.closeLists(0)
	f.closeDefs()
	around := int32(len(f.b.nodes))
	f.b.add(node{kind: kNothing})
	at := len(f.b.nodes)
	if !f.contentTable(c, at) {
		return
	}
	if !f.table {
		f.b.nodes[around] = node{kind: kTable, text: ` class="wiki"`}
		f.b.open = append(f.b.open, around)
		f.table = true
	}
	end := f.b.nodes[at].at
	for i := int32(at) + 1; i < end; i = f.b.nodes[i].at + 1 {
		if f.b.nodes[i].kind == kRow {
			f.b.nodes[f.b.nodes[i].at].kind = kNothing
			f.b.nodes[i].kind = kNothing
		}
	}
	f.b.nodes[at].kind, f.b.nodes[at].text = kRow, f.b.made(attributes(parseArgs(c.args)))
	f.b.nodes[end].kind = kRow | closing
}

// tableBlock adds a table with attributes of its own: the one that its content
// makes.
func (f *frame) tableBlock(c *codeBlock) {
	at := len(f.b.nodes)
	if !f.contentTable(c, at) {
		return
	}
	table := &f.b.nodes[at]
	table.text = f.b.made(attributes(withClass(parseArgs(c.args), "wiki")))
	table.flag |= fPlain
	f.b.nodes[table.at].flag |= fPlain
}

// contentTable reads the content of a row or a table, which must be one table
// and nothing else, and adds it at the index at. Otherwise it adds a message.
func (f *frame) contentTable(c *codeBlock, at int) bool {
	links := len(f.b.links)
	f.nested(c)
	tables, others := 0, 0
	for i := at; i < len(f.b.nodes); i++ {
		if n := f.b.nodes[i]; n.kind == kTable {
			tables++
			i = int(n.at)
		} else {
			others++
		}
	}
	if tables == 1 && others == 0 && f.onlyRows(at) {
		return true
	}
	f.b.nodes, f.b.links = f.b.nodes[:at], f.b.links[:links]
	if tables > 1 {
		f.message("!#" + c.name + " must contain at most one table")
	} else {
		f.message("!#" + c.name + " must contain at least one table cell (and table cells only)")
	}
	return false
}

// onlyRows reports whether the children of the table at i are rows.
func (f *frame) onlyRows(i int) bool {
	end := int(f.b.nodes[i].at)
	for i++; i < end; i++ {
		if f.b.nodes[i].kind != kRow {
			return false
		}
		i = int(f.b.nodes[i].at)
	}
	return true
}
