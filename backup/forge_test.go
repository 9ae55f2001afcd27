package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	"compress/gzip"
)

// Forge writes an archive anew with another text of one file; all its sums are
// right, the numbers of rows are as they were.
func Forge(t *testing.T, archive, name string, change func(string) string) (forged string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(archive)
	must(err)
	z, err := gzip.NewReader(bytes.NewReader(text))
	must(err)
	var plain bytes.Buffer
	in, out := tar.NewReader(z), tar.NewWriter(&plain)
	sum, size := "", int64(0)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(err)
		text, err := io.ReadAll(in)
		must(err)
		switch h.Name {
		case treePrefix + name:
			text = []byte(change(string(text)))
			digest := sha256.Sum256(text)
			sum, size = hex.EncodeToString(digest[:]), int64(len(text))
		case manifestName:
			var m Manifest
			must(json.Unmarshal(text, &m))
			for i := range m.Files {
				if m.Files[i].Path == Name(name) {
					m.Files[i].SHA256, m.Files[i].Size = sum, size
				}
			}
			text, err = json.Marshal(&m)
			must(err)
		}
		h.Size = int64(len(text))
		must(out.WriteHeader(h))
		_, err = out.Write(text)
		must(err)
	}
	must(out.Close())
	if sum == "" {
		t.Fatalf("there is no %s", name)
	}
	forged = archive + ".forged"
	must(os.WriteFile(forged, seal(t, plain.Bytes()), 0o600))
	return forged
}
