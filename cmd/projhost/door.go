package main

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/spf13/pflag"

	"projhost/door"
	"projhost/front"
)

// doorFlags say how administrators reach the program's own pages.
type doorFlags struct {
	listen  []string
	keyFile string
}

const adminKeyFlag = "admin-key-file"

func (d *doorFlags) flags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&d.listen, "admin-listen", nil, "http or https address for administrators alone, with the status page at its top; repeatable")
	fs.StringVar(&d.keyFile, adminKeyFlag, "", "ask administrators for the key in this file; with it they get in by every listener, at /.projhost/")
}

// open reads the key and returns the listeners for administrators, and a door to
// the pages; nil if neither key nor listener was asked for.
func (d *doorFlags) open(pages map[string]http.Handler, log *slog.Logger) ([]front.Addr, *door.Door, error) {
	if d.keyFile == "" && len(d.listen) == 0 {
		return nil, nil, nil
	}
	word, err := key(adminKeyFlag, d.keyFile)
	if err != nil {
		return nil, nil, err
	}
	var addrs []front.Addr
	for _, s := range d.listen {
		a, err := front.ParseAddr(s)
		if err == nil {
			a, err = a.ForAdmins(word != "")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("--admin-listen %s: %w", front.HideSecret(s), err)
		}
		addrs = append(addrs, a)
	}
	return addrs, door.New(door.Options{Key: word, Pages: pages, Log: log}), nil
}

// adminPages are what is behind the door, by path below /.projhost/. What the
// program has to show to administrators is added here.
func adminPages() map[string]http.Handler {
	return map[string]http.Handler{}
}
