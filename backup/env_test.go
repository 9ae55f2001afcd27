package backup_test

import (
	"io/fs"
	"syscall"
	"testing"

	"projhost/envs"
)

func registryOptions() envs.Options { return envs.Options{} }

// opened opens an environment and returns the file of its database.
func opened(t *testing.T, r *envs.Registry, dir string) string {
	t.Helper()
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	must(t, err)
	e, release, err := r.Acquire(t.Context(), loc)
	must(t, err)
	defer release()
	return e.DB().File()
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

func asUser(id uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
}
