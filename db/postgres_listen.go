package db

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// earName is what pg_stat_activity shows of a connection that listens.
const earName = "projhost listening"

// listen is way's. A server that is gone without a word is found out by TCP's
// keep-alives, which Go's dialer asks for.
func (w pgWay) listen(ctx context.Context, heard func(string)) (ear, error) {
	config := w.config.Copy()
	config.RuntimeParams["application_name"] = earName
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { heard(n.Payload) }
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		// There is no statement to be cancelled: waiting ends at once.
		return &pgconn.DeadlineContextWatcherHandler{Conn: c.Conn()}
	}
	c, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, connectProblem(err)
	}
	e := pgEar{pgLink{c}}
	if err := c.Exec(ctx, "LISTEN "+channel).Close(); err != nil { // a standby refuses it
		hangUp(e)
		return nil, pgProblem(err)
	}
	return e, nil
}

// pgEar is a connection that listens.
type pgEar struct{ pgLink }

func (e pgEar) wait(ctx context.Context) error {
	for {
		if err := e.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
