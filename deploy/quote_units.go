package deploy

import "strings"

// quoteSystemdWord writes a word of a line that systemd splits (systemd.syntax(7)):
// a backslash escapes, "%" begins a specifier.
func quoteSystemdWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(s) + `"`
}

// quoteSystemd writes a command for ExecStart=, where "$" begins a variable, too.
func quoteSystemd(args []string) string {
	if !plainWord(args[0]) {
		// systemd takes no name of a program with such characters.
		args = append([]string{"/bin/sh", "-c", `exec "$0" "$@"`}, args...)
	}
	var words []string
	for _, a := range args {
		if plainWord(a) {
			words = append(words, a)
		} else {
			words = append(words, strings.ReplaceAll(quoteSystemdWord(a), `$`, `$$`))
		}
	}
	return strings.Join(words, " ")
}

// quoteSupervisor writes a command for supervisord, which splits it as sh does.
// A ";" or "#" after a blank would begin a comment before that, so a quotation
// ends and begins anew before each; "%" begins a variable.
func quoteSupervisor(args []string) string {
	var words []string
	for _, a := range args {
		if !plainWord(a) {
			a = quoteShell(a)
			a = strings.NewReplacer(`;`, `'';`, `#`, `''#`, `%`, `%%`).Replace(a)
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// plainWord tells whether a word means itself in every format.
func plainWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("/.-:+=,", r) && plainRune(r) != r })
}
