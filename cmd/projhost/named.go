package main

import (
	"fmt"
	"path/filepath"

	"projhost/envs"
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
