package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"projhost/access/auth"
	"projhost/access/session"
	"projhost/envs"
)

func sessionCommands() []Command {
	return []Command{
		{Name: "session list", Args: "[sid[:0|:1]]...", Max: -1, Run: sessionList, Complete: completeSession, Help: `List sessions: name, address, start page.
":0" after an id means a visitor who has not logged in, ":1" a user, which is
the default; "anonymous", "authenticated" and "*", the default, mean all such.`},
		{Name: "session add", Args: "sid[:0|:1] [name] [email]", Min: 1, Max: 3, Run: sessionAdd, Help: "Make a session."},
		{Name: "session set", Args: "name|email|default_handler sid[:0|:1] value", Min: 3, Max: 3, Run: sessionSet, Complete: completeAttribute,
			Help: "Set an attribute of a session; an empty value removes it."},
		{Name: "session delete", Args: "sid[:0|:1]...", Min: 1, Max: -1, Run: sessionDelete, Complete: completeSession,
			Help: "Remove sessions; \"anonymous\" means all of visitors who have not logged in."},
		{Name: "session purge", Args: "age", Min: 1, Max: 1, Run: sessionPurge,
			Help: "Remove the sessions of visitors who have not logged in and not come since a date or an age like \"90d\"."},
	}
}

// sessionID reads "sid", "sid:0" or "sid:1".
func sessionID(text string) session.ID {
	if sid, ok := strings.CutSuffix(text, ":0"); ok {
		return session.ID{SID: sid}
	}
	return session.ID{SID: strings.TrimSuffix(text, ":1"), Authenticated: true}
}

func sessionList(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		all, err := session.List(ctx, e)
		if err != nil {
			return err
		}
		everybody := len(args) == 0 || slices.Contains(args, "*")
		strangers := everybody || slices.Contains(args, auth.Anonymous)
		users := everybody || slices.Contains(args, "authenticated")
		wanted := make(map[session.ID]bool)
		for _, a := range args {
			wanted[sessionID(a)] = true
		}
		var rows [][]string
		for _, s := range all {
			number := "0"
			if s.Authenticated {
				number = "1"
			}
			if wanted[s.ID] || users && s.Authenticated || strangers && !s.Authenticated {
				rows = append(rows, []string{s.SID, number, written(s.LastVisit, dateOnly),
					s.Attributes[session.Name], s.Attributes[session.Email], s.Attributes[session.DefaultHandler]})
			}
		}
		return c.Table([]string{"SID", "Auth", "Last Visit", "Name", "Email", "Default Handler"}, rows)
	})
}

func sessionAdd(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		return session.Add(ctx, e, sessionID(args[0]), time.Now(), map[string]string{
			session.Name: arg(args, 1), session.Email: arg(args, 2),
		})
	})
}

func sessionSet(ctx context.Context, c *Console, args []string) error {
	if !slices.Contains(sessionAttributes(), args[0]) {
		return fmt.Errorf("%q is no attribute that can be set; %s are", args[0], strings.Join(sessionAttributes(), ", "))
	}
	return with(ctx, c, func(e *envs.Env) error {
		return session.Set(ctx, e, sessionID(args[1]), args[0], args[2])
	})
}

func sessionAttributes() []string {
	return []string{session.Name, session.Email, session.DefaultHandler}
}

func sessionDelete(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		strangers := false
		var ids []session.ID
		for _, a := range args {
			id := sessionID(a)
			if id.SID == auth.Anonymous {
				strangers = true
				continue
			}
			ids = append(ids, id)
		}
		_, err := session.Delete(ctx, e, strangers, ids...)
		return err
	})
}

func sessionPurge(ctx context.Context, c *Console, args []string) error {
	before, err := c.date(args[0])
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error {
		_, err := session.Purge(ctx, e, before)
		return err
	})
}

// completeSession completes the ids of any number of sessions.
func completeSession(ctx context.Context, c *Console, args []string) []string {
	return names(sessionIDs, len(args))(ctx, c, args)
}

func completeAttribute(ctx context.Context, c *Console, args []string) []string {
	if len(args) == 0 {
		return sessionAttributes()
	}
	return names(sessionIDs, 1)(ctx, c, args)
}

func sessionIDs(ctx context.Context, e *envs.Env) (ids []string, err error) {
	all, err := session.List(ctx, e)
	for _, s := range all {
		suffix := ":0"
		if s.Authenticated {
			suffix = ":1"
		}
		ids = append(ids, s.SID+suffix)
	}
	return ids, err
}
