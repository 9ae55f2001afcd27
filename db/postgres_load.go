package db

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// loadBuffer is how much is gathered before it is sent, in bytes.
const loadBuffer = 1 << 16

// errLoadOver tells who hands rows over that nobody takes them any more.
var errLoadOver = errors.New("the rows are not taken any more")

// load is runner's: COPY, in its text format (PostgreSQL, COPY, "File Formats").
func (t *pgTx) load(table string, columns []string, each func(row func(values []any) error) error) (err error) {
	first, _, err := t.start("SELECT 1", nil) // begins the transaction
	if err != nil {
		return err
	}
	first.release()
	query := "COPY " + Quote(table) + " (" + Quote(columns...) + ") FROM STDIN"
	r, w := io.Pipe()
	copied := make(chan error, 1)
	go func() {
		_, err := t.c.CopyFrom(t.sent, r, query)
		_ = r.CloseWithError(errLoadOver)
		copied <- err
	}()
	defer func() { // also when each panics: the connection is in use until then
		_ = w.CloseWithError(errors.New("the rows came to no end")) // unless it is closed
		if failed := <-copied; failed != nil && (err == nil || errors.Is(err, errLoadOver)) {
			err = t.fail(query, whereOf(failed))
		}
	}()
	out := bufio.NewWriterSize(w, loadBuffer)
	var line []byte
	err = each(func(values []any) error {
		if line, err = appendLine(line[:0], values); err != nil {
			return &problem{is: ErrMisuse, doing: "filling " + table, err: err}
		}
		_, err := out.Write(line)
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		_ = w.Close()
	}
	return err
}

// whereOf adds the line and the column that the server tells.
func whereOf(err error) error {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Where != "" {
		return fmt.Errorf("%w: %s", err, pe.Where)
	}
	return err
}

// appendLine appends a row as COPY has it.
func appendLine(line []byte, values []any) ([]byte, error) {
	for i, v := range values {
		if i > 0 {
			line = append(line, '\t')
		}
		if b, ok := v.([]byte); ok && b != nil {
			line = append(line, `\\x`...)
			line = hex.AppendEncode(line, b)
			continue
		}
		text, err := pgText(v)
		if err != nil {
			return nil, err
		}
		if text == nil {
			line = append(line, `\N`...)
			continue
		}
		for _, c := range text {
			if at := strings.IndexByte("\b\f\n\r\t\v\\", c); at >= 0 {
				line = append(line, '\\', `bfnrtv\`[at])
			} else {
				line = append(line, c)
			}
		}
	}
	return append(line, '\n'), nil
}
