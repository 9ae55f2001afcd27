package tracini

// Own returns what one file sets, without those it inherits from, sorted; the
// options of [DEFAULT] stand under that name. Errors are as with [Load].
func Own(file string) ([]Setting, error) {
	text, _, err := read(file)
	if err != nil {
		return nil, &Error{File: file, Problem: "cannot be read: " + err.Error(), Err: err}
	}
	src, bad := parse(text)
	if bad != nil {
		bad.File = file
		return nil, bad
	}
	list := make([]Setting, len(src.settings))
	for i, s := range src.settings {
		list[i] = Setting{s.section, s.name, s.value}
	}
	return list, nil
}
