package fcgi_test

import (
	"testing"

	"projhost/front/fcgi"
	"projhost/front/wire"
)

func TestHello(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: hello}}).dial()
	for range 3 {
		c.get(1, keep, "/wiki")
		if a := c.answer(1); a.status != "200 OK" || a.body != "hello /wiki" || a.header.Get("Content-Length") != "11" {
			t.Errorf("got %+v", a)
		}
	}
	c.get(2, 0, "/end")
	if a := c.answer(2); a.body != "hello /end" {
		t.Errorf("got %+v", a)
	}
	if rest := c.closed(); rest != nil {
		t.Errorf("after the answer: %v", rest)
	}
}
