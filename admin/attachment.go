package admin

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/envs"
	"projhost/project/attachment"
	"projhost/project/ticket"
	"projhost/project/wiki"
)

func attachmentCommands() []Command {
	return []Command{
		{Name: "attachment list", Args: "realm:id", Min: 1, Max: 1, Run: attachmentList,
			Help: "List what is attached to wiki:PAGE, ticket:NUMBER or milestone:NAME."},
		{Name: "attachment add", Args: "realm:id path [author] [description]", Min: 2, Max: 4, Run: attachmentAdd,
			Help: "Attach a file; if its name is taken, a number is added."},
		{Name: "attachment remove", Args: "realm:id name", Min: 2, Max: 2, Run: attachmentRemove, Complete: completeAttachment,
			Help: "Remove an attachment."},
		{Name: "attachment move", Args: "realm:id name newrealm:newid newname", Min: 4, Max: 4, Run: attachmentMove, Complete: completeAttachment,
			Help: "Move an attachment, or rename it."},
		{Name: "attachment export", Args: "realm:id name [destination]", Min: 2, Max: 3, Run: attachmentExport, Complete: completeAttachment,
			Help: "Write an attachment to a new file, into a directory, or to the output."},
	}
}

// resource reads "realm:id".
func resource(text string) (perm.Resource, error) {
	realm, id, ok := strings.Cut(text, ":")
	if !ok || realm == "" || id == "" {
		return perm.Resource{}, fmt.Errorf("%q is not written as realm:id, such as wiki:WikiStart, ticket:1 or milestone:name", text)
	}
	if realm == "ticket" {
		n, err := ticket.ParseID(id)
		if err != nil {
			return perm.Resource{}, err
		}
		id = strconv.FormatInt(n, 10)
	}
	return perm.Resource{Realm: realm, ID: id}, nil
}

// existence tells whether something is there that can have attachments.
func existence(r perm.Resource) (attachment.Exists, error) {
	switch r.Realm {
	case "wiki":
		return func(tx *db.Tx) (bool, error) { return wiki.Exists(tx, r.ID) }, nil
	case "ticket":
		id, err := ticket.ParseID(r.ID)
		return func(tx *db.Tx) (bool, error) { return ticket.Exists(tx, id) }, err
	case "milestone":
		return func(tx *db.Tx) (bool, error) { return ticket.MilestoneExists(tx, r.ID) }, nil
	}
	return nil, fmt.Errorf("%q cannot have attachments; wiki, ticket and milestone can", r.Realm)
}

func attachmentList(ctx context.Context, c *Console, args []string) error {
	parent, err := resource(args[0])
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error {
		all, err := attachment.List(ctx, e, parent)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, a := range all {
			rows = append(rows, []string{a.Name, prettySize(a.Size), a.Author, written(a.Time, dateTime), a.Description})
		}
		return c.Table([]string{"Name", "Size", "Author", "Date", "Description"}, rows)
	})
}

// prettySize writes a number of bytes as Trac does.
func prettySize(n int64) string {
	const step = 1024
	switch {
	case n == 1:
		return "1 byte"
	case n < step:
		return fmt.Sprintf("%d bytes", n)
	}
	size, unit := float64(n)/step, 0
	units := []string{"KB", "MB", "GB", "TB"}
	for size >= step && unit < len(units)-1 {
		size, unit = size/step, unit+1
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

func attachmentAdd(ctx context.Context, c *Console, args []string) error {
	parent, err := resource(args[0])
	if err != nil {
		return err
	}
	exists, err := existence(parent)
	if err != nil {
		return err
	}
	file, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", args[1])
	}
	writer := arg(args, 2)
	if writer == "" {
		writer = "trac"
	}
	return with(ctx, c, func(e *envs.Env) error {
		_, err := attachment.Add(ctx, e, attachment.Attachment{
			Parent: parent, Name: filepath.Base(args[1]), Time: time.Now(), Author: writer, Description: arg(args, 3),
		}, file, exists)
		return err
	})
}

func attachmentRemove(ctx context.Context, c *Console, args []string) error {
	parent, err := resource(args[0])
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error { return attachment.Remove(ctx, e, parent, args[1]) })
}

func attachmentMove(ctx context.Context, c *Console, args []string) error {
	from, err := resource(args[0])
	if err != nil {
		return err
	}
	to, err := resource(args[2])
	if err != nil {
		return err
	}
	exists, err := existence(to)
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error { return attachment.Move(ctx, e, from, args[1], to, args[3], exists) })
}

func attachmentExport(ctx context.Context, c *Console, args []string) error {
	parent, err := resource(args[0])
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error {
		a, in, err := attachment.Open(ctx, e, parent, args[1])
		if err != nil {
			return err
		}
		defer in.Close()
		to := arg(args, 2)
		if info, err := os.Stat(to); err == nil && info.IsDir() {
			name, err := attachment.CleanName(a.Name) // another program may have stored any
			if err != nil {
				return err
			}
			to = filepath.Join(to, name)
		}
		return c.output(to, false, func(w io.Writer) error {
			_, err := io.Copy(w, in)
			return err
		})
	})
}

// completeAttachment completes the name, once it is known of what.
func completeAttachment(ctx context.Context, c *Console, args []string) []string {
	return names(func(ctx context.Context, e *envs.Env) (list []string, err error) {
		parent, err := resource(args[0])
		if err != nil {
			return nil, err
		}
		all, err := attachment.List(ctx, e, parent)
		for _, a := range all {
			list = append(list, a.Name)
		}
		return list, err
	}, 1)(ctx, c, args)
}
