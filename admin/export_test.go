package admin

// Functions of commands that have cases of their own.
func PrettySize(n int64) string      { return prettySize(n) }
func QuoteName(name string) string   { return quoteName(name) }
func UnquoteName(file string) string { return unquoteName(file) }
func Wrap(text string) string        { return wrap(text) }
