package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"projhost/doctor"
)

// doctorFlags say which site is looked at and how.
type doctorFlags struct {
	doctor.Target
	keyFile      string
	passwordFile string
	path         string
	asJSON       bool
}

func doctorCommand() *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor URL",
		Short: "Find out what is wrong between a web server and this program",
		Long: `Doctor visits a site through its web server, as a browser would, and says what
arrived at the program as it should and what did not. URL is where the program
is on the site: https://example.org/trac

The program must have been started with --doctor-key-file, a file with a word
that nobody can guess; doctor reads the same file. While it is so started, the
page URL/.projhost/doctor shows the same for a browser, to whoever has the key.

With --path, it shows one request: what the web server sent for it, how that was
understood, and what to change.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.URL = args[0]
			return f.run(c.Context(), c.OutOrStdout())
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.keyFile, "key-file", "", "file with the key (as serve's --doctor-key-file)")
	fs.StringSliceVar(&f.Projects, "project", nil, "name of a project below the URL; repeatable; none if URL is a project itself")
	fs.StringVar(&f.Page, "page", "WikiStart", "a wiki page that each project has")
	fs.StringVar(&f.path, "path", "", "show what became of a request for this path below URL")
	fs.StringVar(&f.User, "user", "", "log in by this name where the web server asks for it")
	fs.StringVar(&f.passwordFile, "password-file", "", "file with the password")
	fs.BoolVar(&f.AuthAll, "auth-all", false, "the web server wants the password for every page")
	fs.BoolVar(&f.Insecure, "insecure", false, "take any certificate")
	fs.BoolVar(&f.asJSON, "json", false, "write JSON")
	_ = c.MarkFlagRequired("key-file") // fails only if there is no such flag
	return c
}

func (f *doctorFlags) run(ctx context.Context, w io.Writer) error {
	var err error
	if f.Key, err = readSecret(f.keyFile); err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	if f.passwordFile != "" {
		if f.Password, err = readSecret(f.passwordFile); err != nil {
			return fmt.Errorf("--password-file: %w", err)
		}
	}
	if f.path != "" {
		rep, err := doctor.Ask(ctx, f.Target, "/"+strings.TrimLeft(f.path, "/"))
		if err != nil {
			return failed(err)
		}
		return failed(f.writeReport(w, rep))
	}
	results := doctor.Walk(ctx, f.Target)
	if f.asJSON {
		err = writeJSON(w, results)
	} else {
		err = writeResults(w, results)
	}
	if bad := countProblems(results); err == nil && bad > 0 {
		err = fmt.Errorf("%d of %d checks failed", bad, len(doctor.Checks()))
	}
	return failed(err)
}

func writeResults(w io.Writer, results []doctor.Result) error {
	for _, r := range results {
		mark, text := "ok   ", ""
		if r.Problem != "" {
			mark, text = "ERROR", ": "+r.Problem
		}
		if _, err := fmt.Fprintf(w, "%s  %s%s\n", mark, r.Check, text); err != nil {
			return err
		}
	}
	return nil
}

func countProblems(results []doctor.Result) (n int) {
	for _, r := range results {
		if r.Problem != "" {
			n++
		}
	}
	return n
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeReport shows what became of one request.
func (f *doctorFlags) writeReport(w io.Writer, rep *doctor.Report) error {
	if f.asJSON {
		return writeJSON(w, rep)
	}
	var b strings.Builder
	for _, x := range rep.Findings {
		fmt.Fprintf(&b, "%-5s  %s: %s\n", x.Weight, x.About, x.Text)
		if x.Change != "" {
			fmt.Fprintf(&b, "       to change it: %s\n", x.Change)
		}
	}
	fmt.Fprintf(&b, "\nrequest %s for %s://%s%s, by %s from %s\n\n", rep.ID, rep.Scheme, rep.Host, rep.URI, rep.Listener, rep.Server)
	for _, t := range rep.Told {
		fmt.Fprintf(&b, "%s=%s  (%s)\n", t.Name, t.Value, t.By)
	}
	b.WriteString("\nwhat the web server sent:\n")
	for _, v := range rep.Variables {
		fmt.Fprintf(&b, "%s=%s\n", v.Name, v.Value)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// minSecret is the least length of a secret that nobody guesses, in bytes.
const minSecret = 16

// maxSecret bounds a file with a secret.
const maxSecret = 4 << 10

// readSecret returns the first line of a file.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if s := strings.TrimSpace(string(line)); s != "" {
		return s, nil
	}
	return "", fmt.Errorf("%s is empty", path)
}

// readKey is readSecret for a key that opens something.
func readKey(path string) (string, error) {
	key, err := readSecret(path)
	if err == nil && len(key) < minSecret {
		err = fmt.Errorf("the key in %s has fewer than %d characters: `openssl rand -hex 32` makes a good one", path, minSecret)
	}
	return key, err
}
