package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"projhost/envs"
	"projhost/project/wiki"
)

func wikiCommands() []Command {
	return []Command{
		{Name: "wiki list", Help: "List wiki pages.", Run: wikiList},
		{Name: "wiki rename", Args: "page newname", Min: 2, Max: 2, Run: wikiRename, Complete: names(pageNames, 0),
			Help: "Rename a page with its history and attachments; links to it stay as they are."},
		{Name: "wiki remove", Args: "page", Min: 1, Max: 1, Run: wikiRemove, Complete: names(pageNames, 0),
			Help: "Remove a page, or with \"X*\" all whose names begin with X."},
		{Name: "wiki export", Args: "page [file]", Min: 1, Max: 2, Run: wikiExport, Complete: names(pageNames, 0),
			Help: "Write a page to a new file, or to the output."},
		{Name: "wiki import", Args: "page [file]", Min: 1, Max: 2, Run: wikiImport, Complete: names(pageNames, 0),
			Help: "Save a page from a file, or from the input, unless its text is the same."},
		{Name: "wiki dump", Args: "directory [page...]", Min: 1, Max: -1, Run: wikiDump,
			Help: "Write pages, \"X*\" or all into new files, each named like its page with %-escapes."},
		{Name: "wiki load", Args: "path...", Min: 1, Max: -1, Run: wikiLoad(false),
			Help: "Save pages from files so named, or from all files of a directory."},
		{Name: "wiki replace", Args: "path...", Min: 1, Max: -1, Run: wikiLoad(true),
			Help: "Overwrite the text of pages, as load does, without a trace of the former."},
	}
}

func pageNames(ctx context.Context, e *envs.Env) (list []string, err error) {
	all, err := wiki.Pages(ctx, e)
	for _, p := range all {
		list = append(list, p.Name)
	}
	return list, err
}

func wikiList(ctx context.Context, c *Console, _ []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		all, err := wiki.Pages(ctx, e)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, p := range all {
			rows = append(rows, []string{p.Name, strconv.Itoa(p.Version), written(p.Time, dateTime)})
		}
		return c.Table([]string{"Title", "Edits", "Modified"}, rows)
	})
}

func wikiRename(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error { return wiki.Rename(ctx, e, args[0], args[1]) })
}

func wikiRemove(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		if !strings.HasSuffix(args[0], "*") {
			return wiki.Delete(ctx, e, args[0])
		}
		gone, err := wiki.DeleteAll(ctx, e, strings.TrimRight(args[0], "*"))
		if err != nil {
			return err
		}
		var rows [][]string
		for _, name := range gone {
			rows = append(rows, []string{name})
		}
		return c.Table([]string{"Deleted pages"}, rows)
	})
}

func wikiExport(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		found := false
		err := wiki.EachText(ctx, e, func(name string) bool { return name == args[0] }, func(_, text string) error {
			found = true
			if arg(args, 1) == "" {
				return c.Printf("%s\n", text)
			}
			return c.output(args[1], false, writeText(text))
		})
		if err == nil && !found {
			err = fmt.Errorf("there is no page %s", args[0])
		}
		return err
	})
}

func writeText(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// newEdit is a version that was made by command, as Trac stores it.
func newEdit(name, text string) wiki.Edit {
	return wiki.Edit{Name: name, Text: text, Author: "trac", Time: time.Now()}
}

func wikiImport(ctx context.Context, c *Console, args []string) error {
	text, err := c.input(arg(args, 1))
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error {
		changed, err := wiki.Import(ctx, e, []wiki.Edit{newEdit(args[0], text)}, false)
		if err != nil || changed[0] {
			return err
		}
		return c.Printf("  %s has this text already\n", args[0])
	})
}

func wikiDump(ctx context.Context, c *Console, args []string) error {
	dir, patterns := args[0], args[1:]
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	wanted := func(name string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			prefix, all := strings.CutSuffix(p, "*")
			return name == p || all && strings.HasPrefix(name, prefix)
		})
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error {
		return wiki.EachText(ctx, e, wanted, func(name, text string) error {
			to := filepath.Join(dir, quoteName(name))
			if err := c.output(to, false, writeText(text)); err != nil {
				return err
			}
			return c.Printf(" %s => %s\n", name, to)
		})
	})
}

// quoteName makes a file's name of a page's: all but unreserved characters
// (RFC 3986, section 2.3) are %-escaped.
func quoteName(name string) string {
	if strings.Trim(name, ".") == "" { // a directory's
		return strings.ReplaceAll(name, ".", "%2E")
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.-~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// unquoteName is the other way; "%" that begins no escape stays.
func unquoteName(file string) string {
	var b strings.Builder
	for i := 0; i < len(file); i++ {
		if file[i] == '%' && i+2 < len(file) {
			if n, err := strconv.ParseUint(file[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(file[i])
	}
	return b.String()
}

func wikiLoad(replace bool) func(context.Context, *Console, []string) error {
	return func(ctx context.Context, c *Console, args []string) error {
		files, err := filesOf(args)
		if err != nil {
			return err
		}
		var edits []wiki.Edit
		for _, file := range files {
			text, err := c.input(file)
			if err != nil {
				return err
			}
			edits = append(edits, newEdit(strings.ToValidUTF8(unquoteName(filepath.Base(file)), "\ufffd"), text))
		}
		return with(ctx, c, func(e *envs.Env) error {
			changed, err := wiki.Import(ctx, e, edits, replace)
			if err != nil {
				return err
			}
			for i, file := range files {
				if changed[i] {
					err = c.Printf(" %s => %s\n", file, edits[i].Name)
				} else {
					err = c.Printf("  %s has this text already\n", edits[i].Name)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// filesOf lists files, and of directories the files in them.
func filesOf(paths []string) (files []string, err error) {
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case err != nil:
			return nil, err
		case !info.IsDir():
			files = append(files, p)
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if file := filepath.Join(p, entry.Name()); isFile(file) {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
