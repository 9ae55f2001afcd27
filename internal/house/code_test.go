package house_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

func TestPackagesHaveComments(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		documented[f.pkg] = documented[f.pkg] || f.syntax.Doc != nil
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no comment", pkg)
		}
	}
}

// calls runs report for every use of pkg.name in a file that imports pkg
// under its own name.
func calls(f source, pkg string, names []string, report func(ast.Node, string)) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == pkg && id.Obj == nil {
			for _, name := range names {
				if sel.Sel.Name == name {
					report(n, pkg+"."+name)
				}
			}
		}
		return true
	})
}

// TestEnvironmentFromContextOnlyInDispatch: everything below dispatch is
// handed the environment by name.
func TestEnvironmentFromContextOnlyInDispatch(t *testing.T) {
	found := 0
	for _, f := range program(tree(t)) {
		calls(f, "envs", []string{"FromContext"}, func(n ast.Node, call string) {
			if f.pkg != "dispatch" {
				t.Errorf("%s:%d calls %s", f.path, f.line(n), call)
			}
			found++
		})
	}
	if found != 1 {
		t.Errorf("envs.FromContext is called in %d places, want one: the adapter", found)
	}
}

// TestSettingsAreSavedAndTold: envs.SaveConfig tells other processes of a changed
// trac.ini. An upgrade tells so itself, with the tables.
func TestSettingsAreSavedAndTold(t *testing.T) {
	found := map[string]bool{}
	for _, f := range program(tree(t)) {
		calls(f, "tracini", []string{"Save"}, func(n ast.Node, call string) {
			if found[f.pkg] = true; f.pkg != "envs" && f.pkg != "db/upgrade" {
				t.Errorf("%s:%d calls %s", f.path, f.line(n), call)
			}
		})
	}
	if len(found) < 2 {
		t.Errorf("found in %v only: the test is wrong", found)
	}
}

func TestProcessEnvironmentOnlyInCmd(t *testing.T) {
	names := []string{"Getenv", "LookupEnv", "Environ", "Setenv", "Unsetenv", "Clearenv", "ExpandEnv"}
	for _, f := range program(tree(t)) {
		calls(f, "os", names, func(n ast.Node, call string) {
			if !strings.HasPrefix(f.pkg, "cmd/") || strings.HasSuffix(call, "etenv") && call != "os.Getenv" {
				t.Errorf("%s:%d calls %s", f.path, f.line(n), call)
			}
		})
	}
}

// TestLogsAreHandedDown: whoever logs was handed a logger. One that is there for
// everybody knows no environment, and what it writes is in no environment's log.
func TestLogsAreHandedDown(t *testing.T) {
	names := []string{"Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "SetDefault"}
	for _, f := range program(tree(t)) {
		report := func(n ast.Node, call string) { t.Errorf("%s:%d calls %s", f.path, f.line(n), call) }
		calls(f, "slog", names, report)
		calls(f, "log", []string{"Print", "Printf", "Println"}, report)
		if strings.HasPrefix(f.pkg, "project") || strings.HasPrefix(f.pkg, "access/") || f.pkg == "dispatch" {
			calls(f, "slog", []string{"Default"}, report)
		}
	}
}

// TestNothingAtTheDefaultServeMux: what is there, imported packages offer to
// everybody.
func TestNothingAtTheDefaultServeMux(t *testing.T) {
	for _, f := range program(tree(t)) {
		calls(f, "http", []string{"DefaultServeMux", "Handle", "HandleFunc", "ListenAndServe", "Serve"}, func(n ast.Node, call string) {
			t.Errorf("%s:%d uses %s", f.path, f.line(n), call)
		})
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range program(tree(t)) {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s:%d has an init function", f.path, f.line(fn))
			}
		}
	}
}

// TestNoMutablePackageVariables allows at package level only what nobody
// writes after start: errors, slots, embedded files, values made once.
func TestNoMutablePackageVariables(t *testing.T) {
	for _, f := range program(tree(t)) {
		for _, d := range f.syntax.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				v := spec.(*ast.ValueSpec)
				if !immutable(v, gen) {
					t.Errorf("%s:%d: package-level variable %s", f.path, f.line(v), v.Names[0].Name)
				}
			}
		}
	}
}

func immutable(v *ast.ValueSpec, gen *ast.GenDecl) bool {
	if v.Names[0].Name == "_" {
		return true
	}
	for _, doc := range []*ast.CommentGroup{v.Doc, gen.Doc} {
		for _, c := range commentsOf(doc) {
			if strings.HasPrefix(c.Text, "//go:embed ") {
				return true
			}
		}
	}
	if len(v.Values) != 1 {
		return false
	}
	call, ok := v.Values[0].(*ast.CallExpr)
	if !ok {
		return false
	}
	fun := call.Fun
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch pkg.Name + "." + sel.Sel.Name {
	case "errors.New", "fmt.Errorf", "envs.NewSlot", "sync.OnceValue", "sync.OnceValues", "regexp.MustCompile", "netip.MustParsePrefix":
		return true
	}
	return false
}

func commentsOf(g *ast.CommentGroup) []*ast.Comment {
	if g == nil {
		return nil
	}
	return g.List
}

// TestModulesHaveNoFields: a module without fields cannot hold an environment.
func TestModulesHaveNoFields(t *testing.T) {
	modules := 0
	for _, f := range program(tree(t)) {
		if !strings.HasPrefix(f.pkg, "project/") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			ts, ok := n.(*ast.TypeSpec)
			if !ok || ts.Name.Name != "Module" {
				return true
			}
			modules++
			if st, ok := ts.Type.(*ast.StructType); !ok || len(st.Fields.List) > 0 {
				t.Errorf("%s:%d: Module is not a struct without fields", f.path, f.line(ts))
			}
			return true
		})
	}
	if modules == 0 {
		t.Error("no module was found")
	}
}

// TestSQLIsInStores: all SQL of a module is in its store files.
func TestSQLIsInStores(t *testing.T) {
	sql := regexp.MustCompile(`(?s)^["` + "`" + `]\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s`)
	for _, f := range program(tree(t)) {
		base := f.path[strings.LastIndexByte(f.path, '/')+1:]
		if !strings.HasPrefix(f.pkg, "project/") || strings.HasPrefix(base, "store") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && sql.MatchString(lit.Value) {
				t.Errorf("%s:%d: SQL outside store*.go", f.path, f.line(lit))
			}
			return true
		})
	}
}

// TestSizes keeps files and functions readable.
func TestSizes(t *testing.T) {
	const maxFile, maxFunc = 800, 120
	for _, f := range tree(t) {
		if f.generated {
			continue
		}
		if n := f.set.Position(f.syntax.End()).Line; n > maxFile {
			t.Errorf("%s has %d lines", f.path, n)
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.set.Position(fn.End()).Line - f.line(fn); n > maxFunc {
				t.Errorf("%s:%d: %s has %d lines", f.path, f.line(fn), fn.Name.Name, n)
			}
		}
	}
}
