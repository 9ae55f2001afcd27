package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const module = "projhost"

// source is one Go file of the project.
type source struct {
	path      string // from the top of the project, with slashes
	pkg       string // its folder, "" at the top
	test      bool
	generated bool
	syntax    *ast.File
	set       *token.FileSet
}

func (s source) line(n ast.Node) int { return s.set.Position(n.Pos()).Line }

// imports returns the paths s imports.
func (s source) imports() []string {
	var list []string
	for _, i := range s.syntax.Imports {
		list = append(list, strings.Trim(i.Path.Value, `"`))
	}
	return list
}

// tree parses every Go file of the project.
func tree(t *testing.T) []source {
	t.Helper()
	top := filepath.Join("..", "..")
	set := token.NewFileSet()
	var files []source
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || rel == "demo" || rel == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(rel, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		if pkg == "." {
			pkg = ""
		}
		files = append(files, source{
			path: rel, pkg: pkg, test: strings.HasSuffix(rel, "_test.go"),
			generated: ast.IsGenerated(syntax), syntax: syntax, set: set,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found only %d Go files: the tests look at the wrong place", len(files))
	}
	return files
}

// program leaves out tests and generated code.
func program(files []source) []source {
	var list []source
	for _, f := range files {
		if !f.test && !f.generated {
			list = append(list, f)
		}
	}
	return list
}
