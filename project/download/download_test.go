package download_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/db/schema"
	"projhost/project"
	"projhost/project/attachment"
	"projhost/project/download"
	"projhost/testenvs"
)

const evil = "<script>alert(1)</script>"

// lister answers with the addresses that the modules name to a visitor.
type lister struct{}

func (lister) Name() string { return "lister" }

func (lister) Routes(r project.Router) {
	r.Get("/list", func(r *project.Request) (project.Reply, error) {
		list, err := r.Site.Addresses(r, false)
		return project.Text{Body: strings.Join(list, "\n")}, err
	})
}

func TestDownload(t *testing.T) {
	h := testenvs.NewHost(t, nil, []project.Module{download.Module{}, lister{}}, "one")
	e := testenvs.Open(t, filepath.Join(h.Parent, "one"))
	for _, a := range [][3]string{{"wiki", "Größe/Übersicht", "page.html"}, {"wiki", "SecondPage", "é %.txt"}, {"ticket", "7", "a.bin"}, {"blog", "x", "b"}, {"wiki", "Gone", "gone.txt"}} {
		_, err := attachment.Add(t.Context(), e, attachment.Attachment{Parent: perm.Resource{Realm: a[0], ID: a[1]}, Name: a[2], Time: time.Unix(1700000000, 0)},
			strings.NewReader(evil), func(*db.Tx) (bool, error) { return true, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(e.Path("files", "attachments", schema.AttachmentPath("wiki", "Gone", "gone.txt"))); err != nil {
		t.Fatal(err)
	}
	testenvs.Alter(t, e, "DELETE FROM permission WHERE action = 'TICKET_VIEW'", "INSERT INTO permission (username, action) VALUES ('ana', 'TICKET_VIEW')")
	for _, c := range []struct {
		path, user string
		status     int
	}{
		{"wiki/Gr%C3%B6%C3%9Fe/%C3%9Cbersicht/page.html", "", 200}, {"wiki/SecondPage/%C3%A9%20%25.txt", "", 200},
		{"ticket/7/a.bin", "", 403}, {"ticket/7/a.bin", "ana", 200}, {"ticket/8/a.bin", "ana", 404}, {"blog/x/b", "ana", 404},
		{"wiki/Gone/gone.txt", "", 404}, {"wiki/page.html", "", 404}, {"wiki/", "", 404}, {"", "", 404}, {"wiki/SecondPage/nosuch", "", 404},
	} {
		w := h.Get("/one/raw-attachment/"+c.path, "REMOTE_USER="+c.user)
		if w.Code != c.status {
			t.Errorf("%s of %q: status %d, want %d", c.path, c.user, w.Code, c.status)
		}
		if w.Code != 200 {
			if strings.Contains(w.Body.String(), h.Parent) {
				t.Errorf("%s tells too much: %s", c.path, w.Body)
			}
			continue
		}
		header := w.Header()
		if w.Body.String() != evil || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment;") || header.Get("Content-Security-Policy") != "sandbox" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v %s", c.path, header, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/one/raw-attachment/wiki/SecondPage/%C3%A9%20%25.txt", nil)
	r.Header.Set("Range", "bytes=1-6")
	if w := h.Do(r); w.Code != 206 || w.Body.String() != "script" {
		t.Errorf("a part: %d %s", w.Code, w.Body)
	}
	public := "/\n/raw-attachment/wiki/Gone/gone.txt\n/raw-attachment/wiki/Gr%C3%B6%C3%9Fe/%C3%9Cbersicht/page.html\n/raw-attachment/wiki/SecondPage/%C3%A9%20%25.txt"
	if got := h.Get("/one/list").Body.String(); got != public {
		t.Errorf("listed: %s", got)
	}
	if got, want := h.Get("/one/list", "REMOTE_USER=ana").Body.String(), strings.Replace(public, "/\n", "/\n/raw-attachment/ticket/7/a.bin\n", 1); got != want {
		t.Errorf("listed for ana: %s", got)
	}
}
