package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"projhost/envs"
	"projhost/front"
)

// namedEnvs are directories of environments by the name each has in URLs, which
// is that of its directory. Two of one name are an error: tracd took the first.
func namedEnvs(dirs []string) (map[string]string, error) {
	named := make(map[string]string, len(dirs))
	for _, given := range dirs {
		dir, err := filepath.Abs(given)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", given, err)
		}
		name := filepath.Base(dir)
		if err := envs.CheckName(name); err != nil {
			return nil, fmt.Errorf("%s cannot be served by its name: %w", given, err)
		}
		if had, twice := named[name]; twice {
			return nil, fmt.Errorf("%s and %s are both named %s: rename one, or make a link of another name to it", had, dir, name)
		}
		named[name] = dir
	}
	return named, nil
}

// found fails if one of them is no environment, or may not be named.
func found(r *envs.Registry, named map[string]string) error {
	for _, dir := range named {
		if _, err := r.Locate(envs.Lookup{Dir: dir}); err != nil {
			return failed(fmt.Errorf("%s cannot be served: %w", dir, err))
		}
	}
	return nil
}

// places are where the environments are that the process was started with, but
// for those that only the web server will name.
type places struct {
	parents []string
	named   map[string]string
	single  []string
}

func placesOf(listeners []front.Addr, settings, named map[string]string) places {
	p := places{named: named}
	told := []map[string]string{settings}
	for _, a := range listeners {
		told = append(told, a.Settings())
	}
	for _, s := range told {
		if parent := s["TRAC_ENV_PARENT_DIR"]; parent != "" && !slices.Contains(p.parents, parent) {
			p.parents = append(p.parents, parent)
		}
		if env := s["TRAC_ENV"]; env != "" && !slices.Contains(p.single, env) {
			p.single = append(p.single, env)
		}
	}
	return p
}

// list has the registry read what is there, and counts it.
func (p *places) list(ctx context.Context, r *envs.Registry) (n int, err error) {
	count := func(list iter.Seq[envs.Info], e error) {
		if err = errors.Join(err, e); e == nil {
			for range list {
				n++
			}
		}
	}
	for _, parent := range p.parents {
		count(r.List(ctx, parent))
	}
	if len(p.named) > 0 {
		count(r.ListNamed(ctx, p.named))
	}
	for _, env := range p.single {
		count(r.ListNamed(ctx, map[string]string{filepath.Base(env): env}))
	}
	return n, err
}
