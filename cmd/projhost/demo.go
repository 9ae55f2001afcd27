package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"projhost/envs"
)

// demoProject is one of the projects of the demonstration.
type demoProject struct {
	dir, title, descr string
	pages             map[string]string
}

func demoCommand() *cobra.Command {
	var dir, address string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Make three small projects and serve them over HTTP and FastCGI",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return failed(demo(c.Context(), dir, address, c.OutOrStdout(), c.ErrOrStderr()))
		},
	}
	c.Flags().StringVar(&dir, "dir", "demo", "where the projects are made; what is there already is kept")
	c.Flags().StringVar(&address, "http", "127.0.0.1:8000", "HTTP address to serve at")
	return c
}

func demo(ctx context.Context, dir, address string, stdout, stderr io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	projects := filepath.Join(dir, "projects")
	if err := makeDemo(ctx, projects); err != nil {
		return err
	}
	socket := filepath.Join(dir, "projhost.sock")
	f := hostFlags{parent: projects, logFormat: "text", logLevel: "warn"}
	f.ready = func() { _, _ = fmt.Fprintf(stdout, demoText, projects, address, socket) }
	err = f.serve(ctx, []string{"http://" + address, "fcgi+unix:" + socket}, stderr)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; choose another address with --http", err)
	}
	return err
}

// demoText tells where the demonstration is and what to do with it.
const demoText = `Three projects are in %s.

  HTTP     http://%s/
  FastCGI  %s

Open the first address in a browser. To try the second, point a web server at
it: README.md has a table of them. Change a project's conf/trac.ini or add a
directory, and reload the page. Ctrl-C stops the demonstration; run it again
and the projects are as you left them.
`

// makeDemo makes those projects of the demonstration that are not there yet.
func makeDemo(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range demoProjects() {
		path := filepath.Join(dir, p.dir)
		if _, err := os.Lstat(path); err == nil {
			continue
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		err := envs.Create(ctx, path, envs.CreateOptions{
			Author: "demo",
			Time:   time.Now(),
			Pages:  p.pages,
			Settings: map[string]map[string]string{
				"project": {"name": p.title, "descr": p.descr, "footer": "A project of the demonstration.", "icon": "common/projhost.svg"},
				"mainnav": {"wiki.order": "1.0"},
				"metanav": {"help": "disabled"},
			},
		})
		if err != nil {
			return fmt.Errorf("making the demonstration: %w", err)
		}
	}
	return nil
}

func demoProjects() []demoProject {
	return []demoProject{
		{"orchard", "Orchard", "Apple varieties, pruning calendar and the cider press", map[string]string{
			"WikiStart": `= Orchard =

Forty-two trees on a north slope, nine varieties, one old press. This wiki keeps what
we learn from year to year. Who is new reads HouseRules first.

== This autumn ==
 1. Pick the '''Boskoop''' before the first frost, usually in the third week of October.
 2. Wash and sort in the barn; bruised fruit goes to the press at once.
 3. Note the weight in the table below.

|| '''Variety''' || '''Trees''' || '''Picked (kg)''' ||
|| Boskoop || 12 || 840 ||
|| Gravenstein || 9 || 515 ||
|| Berlepsch || 7 || 460 ||

== The press ==
Juice that stands for more than a day begins to ferment. The pump wants 2.5 bar:
{{{#!sh
pressctl --bar 2.5 --minutes 12
}}}
Details are in CiderPress; the tree plan is in TreePlan, which nobody has drawn yet.

 * Questions go to the mailing list
   * urgent ones to the barn telephone
 * The shop opens on ''Saturdays'' from nine to noon, see https://example.org/orchard
`,
			"HouseRules": "= House rules =\n\n Ladders:: are lent out by the barn, one a person.\n Dogs:: stay on the lead while sheep are in the orchard.\n\nBack to WikiStart.\n",
			"CiderPress": "= The cider press =\n\nBuilt in 1931, overhauled in 2019.\n\n== Before each run ==\n * Grease both bearings\n * Check the cloths for holes\n\n> Never reach below the plate while the spindle turns.\n\nBack to WikiStart.\n",
		}},
		{"ferry-timetable", "Ferry timetable", "The island ferry: sailings, tickets and the weather rule", map[string]string{
			"WikiStart":   "= Ferry timetable =\n\nThe program behind the board at the quay.\n\n|| '''Leaves''' || '''Arrives''' || '''Boat''' ||\n|| 07:10 || 07:55 || ''Seagull'' ||\n|| 12:30 || 13:15 || ''Seagull'' ||\n|| 18:40 || 19:25 || ''Old Heron'' ||\n\nThe WeatherRule decides when nothing sails.\n",
			"WeatherRule": "= Weather rule =\n\nNo sailing from wind force 9, decided at the quay at 05:30.\n\nBack to WikiStart.\n",
		}},
		{"звездочёт", "Звездочёт", "Наблюдения за переменными звёздами — and a name that is not ASCII", map[string]string{
			"WikiStart":     "= Звездочёт =\n\nЖурнал наблюдений школьного кружка. Начните со страницы [wiki:Журнал/Ноябрь].\n",
			"Журнал/Ноябрь": "= Ноябрь =\n\n * 3 ноября: облачно\n * 7 ноября: минимум Алголя в 22:14\n\nНазад: WikiStart\n",
		}},
	}
}
