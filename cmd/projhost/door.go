package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"projhost/door"
	"projhost/front"
	"projhost/life"
	"projhost/status"
	"projhost/watch"
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

// parse reads the key and the listeners for administrators.
func (d *doorFlags) parse() (word string, addrs []front.Addr, err error) {
	if word, err = key(adminKeyFlag, d.keyFile); err != nil {
		return "", nil, err
	}
	for _, s := range d.listen {
		a, err := front.ParseAddr(s)
		if err == nil {
			a, err = a.ForAdmins(word != "")
		}
		if err != nil {
			return "", nil, fmt.Errorf("--admin-listen %s: %w", front.HideSecret(s), err)
		}
		addrs = append(addrs, a)
	}
	return word, addrs, nil
}

// door leads to the pages; it is nil if neither key nor listener was asked for.
func (d *doorFlags) door(word string, from watch.Sources, meter *watch.Meter, log *slog.Logger) *door.Door {
	if word == "" && len(d.listen) == 0 {
		return nil
	}
	return door.New(door.Options{Key: word, Pages: d.adminPages(from, meter, log), Log: log})
}

// reload has SIGHUP read the key anew.
func (d *doorFlags) reload(to *door.Door) []life.Step {
	if d.keyFile == "" {
		return nil
	}
	return []life.Step{{Name: "the administrators' key", Do: func(context.Context) (string, error) {
		word, err := key(adminKeyFlag, d.keyFile)
		if err != nil || !to.Rekey(word) {
			return "", err
		}
		return "there is another; the former one and its cookies count no more", nil
	}}}
}

// adminPages are what is behind the door, by path below /.projhost/. What the
// program has to show to administrators is added here.
func (d *doorFlags) adminPages(from watch.Sources, meter *watch.Meter, log *slog.Logger) map[string]http.Handler {
	p := status.Pages{Source: &status.Source{Registry: from.Registry, Meter: meter, Version: from.Version, Started: time.Now()}, Log: log}
	if d.keyFile != "" {
		p.Leave = door.LeaveName
	}
	pages := p.Handlers()
	maps.Copy(pages, watchPages(from, meter))
	return pages
}
