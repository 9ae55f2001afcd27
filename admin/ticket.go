package admin

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"projhost/envs"
	"projhost/project/ticket"
)

func ticketCommands() []Command {
	return []Command{
		{Name: "ticket remove", Args: "number", Min: 1, Max: 1, Run: ticketRemove, Help: "Remove a ticket with its history and attachments, for good."},
		{Name: "ticket remove_comment", Args: "number comment", Min: 2, Max: 2, Run: ticketRemoveComment,
			Help: "Remove a comment of a ticket, for good, and take back what was changed with it."},
	}
}

func ticketRemove(ctx context.Context, c *Console, args []string) error {
	id, err := ticket.ParseID(args[0])
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error {
		if err := ticket.Remove(ctx, e, id); err != nil {
			return err
		}
		return c.Printf("Ticket #%d is removed.\n", id)
	})
}

func ticketRemoveComment(ctx context.Context, c *Console, args []string) error {
	id, err := ticket.ParseID(args[0])
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("%q is not the number of a comment", args[1])
	}
	return with(ctx, c, func(e *envs.Env) error {
		if err := ticket.RemoveComment(ctx, e, id, number, time.Now()); err != nil {
			return err
		}
		return c.Printf("Comment %d of ticket #%d is removed.\n", number, id)
	})
}
