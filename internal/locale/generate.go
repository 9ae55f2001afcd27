//go:build ignore

// Writes times.tsv from the locale definitions of the C library, which Debian's
// package locales has: go run generate.go /usr/share/i18n/locales
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run generate.go DIRECTORY")
	}
	files, err := filepath.Glob(filepath.Join(os.Args[1], "[a-z]*_[A-Z]*"))
	if err != nil || len(files) == 0 {
		log.Fatalf("no locale definitions in %s: %v", os.Args[1], err)
	}
	var lines []string
	for _, f := range files {
		keys := read(os.Args[1], filepath.Base(f))
		date, hour := one(keys["d_fmt"]), strings.ReplaceAll(one(keys["t_fmt"]), "%r", one(keys["t_fmt_ampm"]))
		if date == "" || hour == "" || strings.ContainsAny(date+hour, "EO") {
			continue // numbers or eras of its own
		}
		fields := []string{filepath.Base(f), date, hour}
		for _, n := range []struct{ verbs, key string }{{"%p", "am_pm"}, {"%a", "abday"}, {"%A", "day"}, {"%b %h", "abmon"}, {"%B", "mon"}} {
			names := ""
			for _, v := range strings.Fields(n.verbs) {
				if strings.Contains(date+hour, v) {
					names = strings.Join(keys[n.key], "|")
				}
			}
			fields = append(fields, names)
		}
		lines = append(lines, strings.TrimRight(strings.Join(fields, "\t"), "\t"))
	}
	slices.Sort(lines)
	if err := os.WriteFile("times.tsv", []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(lines), "locales")
}

func one(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

var (
	quoted  = regexp.MustCompile(`"((?:[^"])*)"`)
	unicode = regexp.MustCompile(`<U([0-9A-F]{4,8})>`)
)

// read returns the keys of a definition's LC_TIME; a "copy" is followed.
func read(dir, name string) map[string][]string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		log.Fatal(err)
	}
	escape := "\\"
	if _, rest, ok := strings.Cut(string(text), "\nescape_char "); ok {
		escape = strings.TrimSpace(rest)[:1]
	}
	escaped := regexp.MustCompile(regexp.QuoteMeta(escape) + "(.)")
	_, section, _ := strings.Cut(string(text), "\nLC_TIME")
	section, _, _ = strings.Cut(section, "\nEND LC_TIME")
	section = strings.ReplaceAll(section, escape+"\n", " ")
	keys := map[string][]string{}
	for line := range strings.SplitSeq(section, "\n") {
		key, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		var values []string
		for _, m := range quoted.FindAllStringSubmatch(rest, -1) {
			s := unicode.ReplaceAllStringFunc(m[1], func(u string) string {
				n, err := strconv.ParseUint(u[2:len(u)-1], 16, 32)
				if err != nil {
					log.Fatal(err)
				}
				return string(rune(n))
			})
			values = append(values, escaped.ReplaceAllString(s, "$1"))
		}
		if key == "copy" && len(values) == 1 {
			return read(dir, values[0])
		}
		if key != "" {
			keys[key] = values
		}
	}
	return keys
}
