package tracini

// Own returns what one file sets, without those it inherits from, sorted; the
// options of [DEFAULT] stand under that name. Errors are as with [Load].
func Own(file string) ([]Setting, error) {
	src, err := parseFile(file, new(parser))
	if err != nil {
		return nil, err
	}
	list := make([]Setting, len(src.settings))
	for i, s := range src.settings {
		list[i] = Setting{s.section, s.name, s.value}
	}
	return list, nil
}

// parseFile reads one file and has p take it apart.
func parseFile(file string, p *parser) (*source, error) {
	text, _, err := read(file)
	if err != nil {
		return nil, &Error{File: file, Problem: "cannot be read: " + err.Error(), Err: err}
	}
	src, bad := p.parse(text)
	if bad != nil {
		bad.File = file
		return nil, bad
	}
	return src, nil
}
