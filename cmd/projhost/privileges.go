package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// identity is whom to become. A nil *identity stays as it is.
type identity struct {
	uid, gid int // -1: unchanged
	groups   []int
}

// identityOf looks a user and a group up, each by name or number. Without a
// group it is the user's own, with the groups the user is in; tracd left the
// process in those it was started with, root's among them.
func identityOf(userName, groupName string) (*identity, error) {
	if userName == "" && groupName == "" {
		return nil, nil
	}
	id := &identity{uid: -1, gid: -1}
	if userName != "" {
		if err := id.user(userName); err != nil {
			return nil, err
		}
	}
	if groupName != "" {
		gid, err := groupNumber(groupName)
		if err != nil {
			return nil, err
		}
		id.gid = gid
		id.groups = append(id.groups, gid)
	}
	if id.gid == -1 {
		return nil, fmt.Errorf("--user %s has no entry among the users: give --group as well", userName)
	}
	if os.Geteuid() != 0 && (id.uid != -1 && id.uid != os.Getuid() || id.gid != os.Getgid()) {
		return nil, failed(errors.New("--user and --group: only root can become somebody else"))
	}
	return id, nil
}

// user reads an entry of the users; a number need not have one.
func (id *identity) user(name string) error {
	u, err := user.Lookup(name)
	if number, bad := strconv.ParseUint(name, 10, 31); err != nil && bad == nil {
		id.uid = int(number)
		if u, err = user.LookupId(name); err != nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("--user %s: there is no such user", name)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("--user %s: %w", name, err)
	}
	for _, s := range groups {
		if g, err := strconv.Atoi(s); err == nil {
			id.groups = append(id.groups, g)
		}
	}
	var errUser, errGroup error
	id.uid, errUser = strconv.Atoi(u.Uid)
	id.gid, errGroup = strconv.Atoi(u.Gid)
	if err := errors.Join(errUser, errGroup); err != nil {
		return fmt.Errorf("--user %s: %w", name, err)
	}
	return nil
}

func groupNumber(name string) (int, error) {
	if g, err := user.LookupGroup(name); err == nil {
		return strconv.Atoi(g.Gid)
	}
	n, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("--group %s: there is no such group", name)
	}
	return int(n), nil
}

// assume becomes id, for good: the groups first, the user last, since only root
// may change groups. Go does so in all threads (Go 1.16).
func (id *identity) assume() error {
	if id == nil || os.Geteuid() != 0 {
		return nil // nothing to change, as identityOf has seen
	}
	if err := syscall.Setgroups(id.groups); err != nil {
		return fmt.Errorf("setting the groups: %w", err)
	}
	if err := syscall.Setgid(id.gid); err != nil {
		return fmt.Errorf("becoming group %d: %w", id.gid, err)
	}
	if id.uid == -1 {
		return nil
	}
	if err := syscall.Setuid(id.uid); err != nil {
		return fmt.Errorf("becoming user %d: %w", id.uid, err)
	}
	if id.uid != 0 && syscall.Setuid(0) == nil {
		return errors.New("the privileges of root could be had back after they were given up")
	}
	return nil
}
