package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"projhost/deploy"
)

// TestMain adds the flag -update.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files anew")
	flag.Parse()
	os.Exit(m.Run())
}

// TestGolden compares plans with the files of testdata: in each, the options as
// JSON and what is to be written and run for them. "go test ./deploy -update"
// writes them anew, and makes those that a new way lacks.
func TestGolden(t *testing.T) {
	update := flag.Lookup("update").Value.String() == "true"
	for _, s := range deploy.Servers() {
		for _, w := range s.Ways {
			for _, kind := range goldenKinds() {
				name := fmt.Sprintf("%s-%s-%s.txtar", s.Name, w.Name, kind)
				t.Run(name, func(t *testing.T) { golden(t, name, kind, s.Name, w.Name, update) })
			}
		}
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		server, rest, _ := strings.Cut(e.Name(), "-")
		if !slices.ContainsFunc(deploy.Servers(), func(s deploy.Server) bool {
			return s.Name == server && slices.ContainsFunc(s.Ways, func(w deploy.Way) bool { return strings.HasPrefix(rest, w.Name+"-") })
		}) {
			t.Errorf("testdata/%s is of no server's way", e.Name())
		}
	}
}

// goldenKinds are the sets of options each way has a golden file for.
func goldenKinds() []string { return []string{"root", "full", "strange"} }

func golden(t *testing.T, name, kind, server, way string, update bool) {
	t.Helper()
	file := filepath.Join("testdata", name)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && update {
		text = initial(t, kind, server, way)
	} else if err != nil {
		t.Fatal(err)
	}
	want := txtar.Parse(text)
	o := optionsIn(t, want)
	if o.Server != server || o.Way != way {
		t.Fatalf("the options are of %s %s", o.Server, o.Way)
	}
	got := archive(t, want.Comment, o)
	if update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(text), string(got)); d != "" {
		t.Errorf("%s: -want +got\n%s", name, d)
	}
}

// optionsIn are the options in a golden file.
func optionsIn(t *testing.T, a *txtar.Archive) deploy.Options {
	t.Helper()
	var o deploy.Options
	d := json.NewDecoder(bytes.NewReader(a.Comment))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

// archive is the plan as a golden file, without what every server has.
func archive(t *testing.T, comment []byte, o deploy.Options) []byte {
	t.Helper()
	p, err := deploy.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	bare := o
	bare.Server, bare.Way = "", ""
	common, err := deploy.Plan(bare)
	if err != nil {
		t.Fatal(err)
	}
	a := txtar.Archive{Comment: comment}
	run := "main file: " + p.Config + "\nprojhost serve\n"
	for _, l := range p.Listen {
		run += "  --listen " + l + "\n"
	}
	a.Files = append(a.Files, txtar.File{Name: "(run)", Data: []byte(run + "  " + strings.Join(p.Flags, " ") + "\n")})
	for _, f := range p.Files {
		if !slices.ContainsFunc(common.Files, func(c deploy.File) bool { return c.Path == f.Path }) {
			a.Files = append(a.Files, txtar.File{Name: fmt.Sprintf("%s %04o", f.Path, f.Mode), Data: []byte(f.Text)})
		}
	}
	return txtar.Format(&a)
}

// initial are options for a file that is not there yet: as much as the way can do.
func initial(t *testing.T, kind, server, way string) []byte {
	t.Helper()
	o := deploy.Options{Dir: "/srv/deploy", Program: "/usr/local/bin/projhost", Server: server, Way: way, Secret: "0123456789abcdef"}
	switch kind {
	case "root":
		o.Mounts = []deploy.Mount{{Path: "/", Parent: "/srv/trac"}}
	case "full":
		o.Mounts = []deploy.Mount{{Path: "/trac", Parent: "/srv/trac"}, {Path: "/one", Env: "/srv/one"}}
		o.Domain, o.TLSCert, o.LCTime = "example.org", "/etc/ssl/site.pem", "ru_RU"
		o.XSendfile, o.Auth = true, deploy.Auth{Kind: deploy.AuthBasic}
	case "strange":
		o.Dir, o.RunDir = "/srv/"+strange, "/run/"+strange
		o.Mounts = []deploy.Mount{{Path: "/x y/\u00fc", Parent: "/srv/" + strange + "/parent"}}
		o.Auth = deploy.Auth{Kind: deploy.AuthBasic, Realm: strange, All: true}
	}
	if _, err := deploy.Plan(o); err != nil {
		o.XSendfile = false
	}
	if _, err := deploy.Plan(o); err != nil {
		o.Auth = deploy.Auth{}
	}
	if _, err := deploy.Plan(o); err != nil {
		o.RunDir, o.Auth = "", deploy.Auth{Kind: deploy.AuthBasic, Realm: strange, All: true}
	}
	if _, err := deploy.Plan(o); err != nil {
		o.Mounts[0].Path, o.Auth = "/xy", deploy.Auth{}
	}
	if _, err := deploy.Plan(o); err != nil {
		o.Dir = "/srv/deploy"
	}
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// strange is a name with something in it for each format to trip over.
const strange = `it's a "str\ange" $dir; #1 {проект} %41`
