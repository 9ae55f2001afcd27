package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// seal makes an archive of what tar or anybody has written.
func seal(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(plain)
	if err := errors.Join(err, z.Close()); err != nil {
		tb.Fatal(err)
	}
	whole := sha256.New()
	whole.Write(b.Bytes())
	return append(b.Bytes(), trailer(whole)...)
}

// packed makes a tar file; the record "text" is a file's text.
func packed(tb testing.TB, things ...*tar.Header) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range things {
		text, head := h.PAXRecords["text"], *h
		head.PAXRecords, head.Size = nil, int64(len(text))
		if err := w.WriteHeader(&head); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func file(name, text string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, PAXRecords: map[string]string{"text": text}}
}

func thingOf(kind byte, name, target string) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o755}
}

// manifestOf is a manifest of some files.
func manifestOf(tb testing.TB, files map[string]string) *tar.Header {
	tb.Helper()
	m := Manifest{Format: format, Made: time.Now(), Environment: "x", Database: Database{Path: "db/trac.db", Setting: "sqlite:db/trac.db"}}
	for name, text := range files {
		sum := sha256.Sum256([]byte(text))
		m.Files = append(m.Files, File{Path: Name(name), Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
	}
	text, err := json.Marshal(&m)
	if err != nil {
		tb.Fatal(err)
	}
	return file(manifestName, string(text))
}

// TestHostile: archives that mean harm are refused, and touch nothing outside.
func TestHostile(t *testing.T) {
	last := manifestOf(t, map[string]string{"VERSION": "1"})
	version := file("env/VERSION", "1")
	// What the list of files tells; everything else must not even be unpacked.
	told := map[string]string{
		"not listed": "file more: there instead of not there", "missing": "file VERSION: not there", "other bytes": "file VERSION: sha256",
		"other size": "file VERSION: 2 bytes instead of 1 bytes", "link for a file": "file VERSION: a link to a", "no database": "no such database file",
	}
	for name, things := range map[string][]*tar.Header{
		"absolute":              {file("/tmp/evil", "x"), last},
		"above":                 {file("../evil", "x"), last},
		"above the environment": {file("env/../evil", "x"), last},
		"above in the middle":   {file("env/a/../../evil", "x"), last},
		"not clean":             {file("env/./a", "x"), last},
		"two slashes":           {file("env//tmp/evil", "x"), last},
		"not below env":         {file("evil", "x"), last},
		"only the top":          {file("env", "x"), last},
		"link away":             {thingOf(tar.TypeSymlink, "env/a", "/etc/passwd"), last},
		"link above":            {thingOf(tar.TypeSymlink, "env/a", "../evil"), last},
		"link above, deeper":    {thingOf(tar.TypeSymlink, "env/a/b", "../../evil"), last},
		"link not clean":        {thingOf(tar.TypeSymlink, "env/a", "b/../../evil"), last},
		"link to nothing":       {thingOf(tar.TypeSymlink, "env/a", "./"), last},
		"through a link":        {thingOf(tar.TypeDir, "env/d/", ""), thingOf(tar.TypeSymlink, "env/a", "d"), file("env/a/evil", "x"), last},
		"over a link":           {thingOf(tar.TypeSymlink, "env/a", "b"), file("env/a", "x"), last},
		"below a file":          {file("env/a", "x"), file("env/a/b", "x"), last},
		"a file that was a dir": {thingOf(tar.TypeDir, "env/a/", ""), file("env/a", "x"), last},
		"twice":                 {version, version, last},
		"hard link":             {thingOf(tar.TypeLink, "env/a", "/etc/passwd"), last},
		"character device":      {thingOf(tar.TypeChar, "env/a", ""), last},
		"block device":          {thingOf(tar.TypeBlock, "env/a", ""), last},
		"pipe":                  {thingOf(tar.TypeFifo, "env/a", ""), last},
		"too much":              {file("env/a", strings.Repeat("x", 3<<20)), last},
		"too much together":     {file("env/a", strings.Repeat("x", 1<<20)), file("env/b", strings.Repeat("x", 1<<20)), last},
		"no manifest":           {version},
		"two manifests":         {version, manifestOf(t, nil), last},
		"after the manifest":    {last, version},
		"no JSON":               {version, file(manifestName, "{")},
		"another format":        {version, file(manifestName, `{"format": 2, "database": {"path": "db/trac.db"}}`)},
		"database away":         {version, file(manifestName, `{"format": 1, "database": {"path": "/etc/passwd"}}`)},
		"database above":        {version, file(manifestName, `{"format": 1, "database": {"path": "../trac.db"}}`)},
		"two databases":         {version, file(manifestName, `{"format": 1, "database": {"path": "db/trac.db", "setting": "sqlite:/srv/x.db"}}`)},
		"database nowhere":      {version, file(manifestName, `{"format": 1, "database": {"path": ":memory:"}}`)},
		"not listed":            {version, file("env/more", "x"), last},
		"missing":               {last},
		"other bytes":           {file("env/VERSION", "2"), last},
		"other size":            {file("env/VERSION", "11"), last},
		"link for a file":       {thingOf(tar.TypeSymlink, "env/VERSION", "a"), last},
		"no database":           {version, last},
		"many names":            {file("env/"+strings.Repeat("x/", 3000)+"x", "x"), last},
	} {
		t.Run(name, func(t *testing.T) {
			archive := seal(t, packed(t, things...))
			said := refused(t, archive).Error()
			if want, ok := told[name]; ok {
				if !strings.Contains(said, want) {
					t.Errorf("refused since %s, want %s", said, want)
				}
				return
			}
			r := &reader{to: nowhere{}, limit: 2<<20 - 1}
			if err := r.read(t.Context(), bytes.NewReader(archive), int64(len(archive))); !errors.Is(err, ErrArchive) {
				t.Errorf("read: %v", err)
			}
		})
	}
}

// refused checks that an archive is neither restored nor verified, and that
// nothing outside is touched.
func refused(t *testing.T, archive []byte) (why error) {
	t.Helper()
	work := t.TempDir()
	inner := filepath.Join(work, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(work, "archive")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{MaxBytes: 2<<20 - 1, TempDir: inner}
	if _, why = Restore(t.Context(), path, filepath.Join(inner, "env"), o); !errors.Is(why, ErrArchive) {
		t.Errorf("restored: %v", why)
	}
	if r, err := Verify(t.Context(), path, o); err != nil || len(r.Differences) == 0 {
		t.Errorf("verified: %+v, %v", r, err)
	}
	list, err := os.ReadDir(inner)
	if err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	if list, err = os.ReadDir(work); err != nil || len(list) != 2 {
		t.Errorf("made outside: %v, %v", list, err)
	}
	return why
}

// TestHoles: a sparse file of a few bytes must not become a large one.
func TestHoles(t *testing.T) {
	records := "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n28 GNU.sparse.name=env/hole\n31 GNU.sparse.realsize=1000000\n"
	var b bytes.Buffer
	raw := func(kind byte, name, text string) {
		var block [512]byte
		copy(block[0:], name)
		copy(block[100:], "0000644\x000000000\x000000000\x00")
		copy(block[124:], []byte(octal(len(text))))
		copy(block[136:], "00000000000\x00        ")
		block[156] = kind
		copy(block[257:], "ustar\x0000")
		sum := 0
		for _, c := range block {
			sum += int(c)
		}
		copy(block[148:], octal(sum)[5:11]+"\x00 ")
		b.Write(block[:])
		b.WriteString(text)
		b.Write(make([]byte, (512-len(text)%512)%512))
	}
	raw('x', "PaxHeader", records)
	raw('0', "env/hole", "1\n0\n1\n"+strings.Repeat("\x00", 506)+"x")
	b.Write(make([]byte, 1024))
	if h, err := tar.NewReader(bytes.NewReader(b.Bytes())).Next(); err != nil || h.Size != 1000000 {
		t.Fatalf("this is no sparse file: %+v, %v", h, err)
	}
	err := (&reader{to: nowhere{}, limit: maxBytes}).read(t.Context(), bytes.NewReader(seal(t, b.Bytes())), int64(len(seal(t, b.Bytes()))))
	if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "holes") {
		t.Error(err)
	}
}

func octal(n int) string {
	digits := []byte("00000000000\x00")
	for i := 10; n > 0; i, n = i-1, n/8 {
		digits[i] = byte('0' + n%8)
	}
	return string(digits)
}

// TestHidden: bytes that a reader of tar would not look at are not allowed.
func TestHidden(t *testing.T) {
	plain := packed(t, file("env/VERSION", "1"), manifestOf(t, map[string]string{"VERSION": "1"}))
	if why := refused(t, seal(t, append(bytes.Clone(plain), "more"...))); !strings.Contains(why.Error(), "after its end") {
		t.Error(why)
	}
	whole := sha256.New()
	good := seal(t, plain)
	member := good[:len(good)-len(trailer(whole))]
	double := append(bytes.Clone(member), member...)
	whole.Write(double)
	if why := refused(t, append(double, trailer(whole)...)); !strings.Contains(why.Error(), "between its end") {
		t.Error(why)
	}
}

func TestLinks(t *testing.T) {
	for _, c := range []struct {
		at, target string
		ok         bool
	}{
		{"a", "b", true}, {"d/a", "../b", true}, {"d/a", "..", true}, {"a", ".", true}, {"d/e/a", "../../b/c", true},
		{"a", "..", false}, {"a", "../b", false}, {"d/a", "../../b", false}, {"a", "/b", false}, {"a", "b/../c", false},
		{"a", "", false}, {"a", "b/", false}, {"a", "./b", false}, {"a", "b\x00", false}, {"d/a", "e/../../../b", false},
	} {
		if got := staysInside(c.at, c.target); got != c.ok {
			t.Errorf("%s -> %s: %v", c.at, c.target, got)
		}
	}
}

func TestNames(t *testing.T) {
	for _, n := range []Name{"a", "été", "\xff\xfe", "", "a\nb", `a"b`} {
		text, err := json.Marshal(n)
		if err != nil {
			t.Error(err)
		}
		var back Name
		if err := json.Unmarshal(text, &back); err != nil || back != n {
			t.Errorf("%q became %q by %s, %v", n, back, text, err)
		}
	}
}

// nowhere is a sink that keeps nothing.
type nowhere struct{}

func (nowhere) dir(string, *tar.Header) error  { return nil }
func (nowhere) link(string, *tar.Header) error { return nil }
func (nowhere) file(_ string, _ *tar.Header, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// FuzzRead: no tar file, however malformed, makes a file outside, and what is
// read is as the manifest says or refused.
func FuzzRead(f *testing.F) {
	files := map[string]string{"VERSION": "1", "a/b": "text"}
	good := packed(f, thingOf(tar.TypeDir, "env/", ""), file("env/VERSION", "1"), file("env/a/b", "text"),
		thingOf(tar.TypeSymlink, "env/a/link", "../VERSION"), manifestOf(f, files))
	f.Add(good)
	f.Add(packed(f, file("../evil", "x"), manifestOf(f, nil)))
	f.Add(packed(f, thingOf(tar.TypeSymlink, "env/a", "b"), file("env/a/c", "x"), manifestOf(f, nil)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, plain []byte) {
		work := t.TempDir()
		inner := filepath.Join(work, "inner")
		if err := os.Mkdir(inner, 0o755); err != nil {
			t.Fatal(err)
		}
		archive := seal(t, plain)
		if err := checkWhole(t.Context(), bytes.NewReader(archive), int64(len(archive))); err != nil {
			t.Fatal(err)
		}
		to, err := newUnpacker(inner)
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{to: to, limit: 1 << 20}
		err = r.read(t.Context(), bytes.NewReader(archive), int64(len(archive)))
		if err == nil {
			err = to.finish()
		}
		if err == nil {
			_ = r.manifest.compareFiles(r.files)
		}
		if err := to.close(); err != nil {
			t.Error(err)
		}
		if r.bytes > 1<<20 {
			t.Errorf("%d bytes were unpacked", r.bytes)
		}
		if list, err := os.ReadDir(work); err != nil || len(list) != 1 {
			t.Errorf("made outside: %v, %v", list, err)
		}
		if err := removeAll(work); err != nil {
			t.Error(err)
		}
	})
}

// FuzzArchive: bytes that are no archive are refused, whatever they are.
func FuzzArchive(f *testing.F) {
	good := seal(f, packed(f, file("env/VERSION", "1"), manifestOf(f, map[string]string{"VERSION": "1"})))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		in := bytes.NewReader(archive)
		whole := checkWhole(t.Context(), in, int64(len(archive)))
		end := trailer(sha256.New())
		if whole == nil && len(archive) <= len(end) {
			t.Error("there is nothing in it")
		}
		err := (&reader{to: nowhere{}, limit: 1 << 20}).read(t.Context(), in, int64(len(archive)))
		if err != nil && !errors.Is(err, ErrArchive) {
			t.Errorf("%v", err)
		}
	})
}
