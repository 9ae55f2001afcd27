package db

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// peek reads the version that the tables will have when what a crash left is
// undone, without undoing it here: in a copy. The file itself is not fit to be
// read; a crash between two pages of a commit makes it look damaged, or of the
// version that an upgrade was about to make.
func (d *lite) peek(ctx context.Context) (version int, err error) {
	dir, err := os.MkdirTemp("", "projhost-crashed-")
	if err != nil {
		return 0, &problem{is: ErrRecovery, err: err}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	copied := filepath.Join(dir, "copy.db")
	if err := d.copyCrashed(ctx, copied); err != nil {
		return 0, &problem{is: ErrRecovery, err: err}
	}
	c, err := openConn(copied, readWrite)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	c.begin(ctx)
	defer c.end()
	return readVersion(&Tx{run: &liteTx{db: d, c: c, ctx: ctx}})
}

// sideFiles are what SQLite keeps beside a file and needs after a crash. It
// takes no locks on these.
func sideFiles() []string { return []string{"-journal", "-wal"} }

// copyCrashed copies the file and what is beside it. If they change meanwhile,
// somebody else is putting things right.
func (d *lite) copyCrashed(ctx context.Context, to string) error {
	before, err := look(d.target.path)
	if err != nil {
		return err
	}
	for _, side := range sideFiles() {
		if err := copySide(d.target.path+side, to+side); err != nil {
			return err
		}
	}
	c, err := openConn(d.target.path, immutable)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(c.copyFile(ctx, f, before.size), f.Close()); err != nil {
		return err
	}
	if after, err := look(d.target.path); err != nil || after != before {
		return errors.Join(&problem{is: ErrBusy, err: errors.New("another program changed it meanwhile")}, err)
	}
	return nil
}

// copySide copies a file, if it is there.
func copySide(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
