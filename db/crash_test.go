package db_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"projhost/db"
)

// rowsEach is how many rows a transaction of commitForEver writes.
const rowsEach = 8

// commitForEver writes transactions, each of the number that follows the last
// one in the file, and says each number when it is committed.
func commitForEver(ctx context.Context, d *db.DB) error {
	fmt.Println("ready")
	for {
		n := 0
		err := d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.One(func(r db.Row) error {
				n = int(r.Int(0)) + 1
				return nil
			}, "SELECT max(version) FROM wiki")
			if err == nil && n%5 == 0 { // some spill into the file before the commit
				err = tx.Each(func(db.Row) error { return nil }, "PRAGMA cache_size = 2")
			}
			for i := 0; i < rowsEach && err == nil; i++ {
				_, err = tx.Exec("INSERT INTO wiki (name, version, text) VALUES (?, ?, ?)", i, n, strings.Repeat(strconv.Itoa(n%10), rand.N(3000)))
			}
			if err == nil && n > 20 { // and pages are used again
				_, err = tx.Exec("DELETE FROM wiki WHERE version < ?", n-20)
			}
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilledWriters kills writers at random moments. Whatever the moment, the
// database opens, is whole, has all that was said to be committed, and no part
// of a transaction that was not.
func TestKilledWriters(t *testing.T) {
	const writers, kills = 4, 52 // of each
	var undone, commits atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		dir := environment(t)
		mode := []string{"DELETE", "WAL", "TRUNCATE", "PERSIST"}[w]
		parameters := "?synchronous=" + []string{"full", "off"}[w/2] // syncing matters to crashes of the machine only
		parameters += "&journal_mode=" + mode
		wg.Go(func() {
			last := 0
			for i := range kills {
				said := killed(t, filepath.Join(dir, "db/trac.db")+parameters)
				if mode == "DELETE" && exists(dir, "db/trac.db-journal") {
					undone.Add(1)
				}
				if said < last {
					said = last // it was killed before its first commit
				}
				found := wholeAfterKill(t, dir, said)
				commits.Add(int64(found - last))
				if last = found; t.Failed() {
					t.Errorf("%s, after kill %d", mode, i)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d kills, %d transactions; %d of %d kills left a transaction to be undone", writers*kills, commits.Load(), undone.Load(), kills)
	if undone.Load() < kills/5 || commits.Load() < writers*kills {
		t.Error("too few kills came in the middle of writing: this tests too little")
	}
}

// killed runs a writer, kills it at a random moment and returns the last number
// it said.
func killed(t *testing.T, dsn string) (last int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"=commit "+dsn)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return 0
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if first != "ready\n" {
		t.Errorf("%q, %v", first, err)
	}
	var rest bytes.Buffer
	for range rand.N(4) { // at its beginning, or after some commits
		line, _ := lines.ReadString('\n')
		rest.WriteString(line)
	}
	time.Sleep(rand.N(8 * time.Millisecond))
	_ = cmd.Process.Kill()
	_, _ = rest.ReadFrom(lines)
	_ = cmd.Wait()
	whole, _, _ := cutLast(rest.String(), "\n") // a half line was not said
	for line := range strings.FieldsSeq(whole) {
		n, err := strconv.Atoi(line)
		if err != nil || n <= last {
			t.Errorf("it said %q after %d", line, last)
			return last
		}
		last = n
	}
	return last
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// wholeAfterKill opens what a killed writer left and returns the number of the
// last transaction in it.
func wholeAfterKill(t *testing.T, dir string, said int) (last int) {
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{WriteAt: 45})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
	err = d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Each(func(r db.Row) error {
			n, rows, digits := int(r.Int(0)), r.Int(1), r.Int(2)
			if rows != rowsEach || digits != rowsEach || last != 0 && n != last+1 {
				t.Errorf("transaction %d after %d has %d rows, %d of them its own", n, last, rows, digits)
			}
			last = n
			return nil
		}, "SELECT version, count(*), sum(replace(text, version % 10, '') = '') FROM wiki WHERE version > 0 GROUP BY version ORDER BY version")
	})
	if err != nil {
		t.Error(err)
	}
	if last < said || last > said+1 {
		t.Errorf("the last transaction is %d, said was %d", last, said)
	}
	return last
}
