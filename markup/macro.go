package markup

import "strings"

// macro emits what [[content]] is if it is not a link: a line break, nothing for
// a comment, or a macro that Trac has.
func (sc *scanner) macro(content string) bool {
	name, args, ok := macroCall(content)
	if !ok {
		return false
	}
	if strings.EqualFold(name, "br") {
		sc.lineBreakNode(clearSide(args))
		return true
	}
	if name == "comment" {
		return true
	}
	if !unavailableMacro(strings.TrimSuffix(name, "?")) {
		return false
	}
	if !sc.inline {
		sc.emit(node{kind: kMacro, text: content, at: int32(len(name))})
		return true
	}
	if len(name) < len(content) {
		content = name + "(...)"
	}
	sc.emit(node{kind: kText, text: sc.b.made("[[" + content + "]]")})
	return true
}

// macroCall reads Name, Name(args), Name? or ?; ok is false if content has
// another form.
func macroCall(content string) (name, args string, ok bool) {
	end := wordRun(content, 0, "/+-")
	if strings.HasPrefix(content[end:], "?") {
		end++
	}
	name, args = content[:end], content[end:]
	if name == "" {
		return "", "", false
	}
	if args == "" {
		return name, "", true
	}
	if len(args) < 2 || args[0] != '(' || args[len(args)-1] != ')' {
		return "", "", false
	}
	return name, args[1 : len(args)-1], true
}

// clearSide reads the argument of [[BR]]: "clear=left", "clear:right", and any
// other side is both.
func clearSide(args string) string {
	side, ok := strings.CutPrefix(strings.TrimFunc(args, isSpace), "clear")
	if !ok {
		return ""
	}
	switch side = strings.TrimLeft(side, "=: "); side {
	case "left", "right":
		return side
	}
	return "both"
}

// unavailableMacro lists the macros, and the processors that may be called as
// macros, which Trac 1.6 has and which are not rendered here yet. A page that
// uses one shows its name where its output would be. Any other name in double
// brackets is a link to a page.
func unavailableMacro(name string) bool {
	switch name {
	case "", // [[?]], which lists the macros
		"CommitTicketReference", "Image", "InterTrac", "InterWiki", "KnownMimeTypes", "MacroList", "PageOutline",
		"RecentChanges", "RepositoryIndex", "SubscriberList", "TicketQuery", "TitleIndex", "TracAdminHelp",
		"TracGuideToc", "TracIni", "Workflow",
		"Span", "default", "div", "html", "htmlcomment", "rtl", "span", "table", "td", "th", "tr":
		return true
	}
	return false
}
