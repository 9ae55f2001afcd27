package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"projhost/envs"
	"projhost/internal/fault"
)

// Bounds of what one form does.
const (
	maxForm   = 1 << 20 // bytes
	maxChosen = 1000    // environments
)

// action is something that can be done to an environment.
type action struct {
	name  string // in forms
	label string // on the button
	// do says what it did, after the environment's name.
	do func(context.Context, *envs.Registry, envs.Location) (string, error)
}

// actions are all there are.
func actions() []action {
	return []action{
		{"open", "Open", func(ctx context.Context, r *envs.Registry, l envs.Location) (string, error) {
			return "is open", r.Open(ctx, l)
		}},
		{"close", "Close", func(_ context.Context, r *envs.Registry, l envs.Location) (string, error) {
			switch n := r.CloseEnv(l); n {
			case 0:
				return "is closed", nil
			case 1:
				return "is in use: it will be closed when the request in it ends", nil
			default:
				return fmt.Sprintf("is in use: it will be closed when the %d requests in it end", n), nil
			}
		}},
		{"reload", "Reload", func(ctx context.Context, r *envs.Registry, l envs.Location) (string, error) {
			return "was opened anew", r.Reload(ctx, l)
		}},
		{"readonly-on", "Make read-only", func(ctx context.Context, r *envs.Registry, l envs.Location) (string, error) {
			return "is read-only", r.SetReadOnly(ctx, l, true)
		}},
		{"readonly-off", "Make writable", func(ctx context.Context, r *envs.Registry, l envs.Location) (string, error) {
			return "is not switched to read-only any more", r.SetReadOnly(ctx, l, false)
		}},
	}
}

// act does what a form asks for and tells in sentences what was done and what not.
func (p *Pages) act(w http.ResponseWriter, r *http.Request) (done, not []string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, []string{"The form could not be read. Nothing was done."}
	}
	var do *action
	for _, a := range actions() {
		if a.name == r.PostForm.Get("action") {
			do = &a
		}
	}
	chosen := r.PostForm["env"]
	switch {
	case do == nil:
		return nil, []string{"There is no such action. Nothing was done."}
	case len(chosen) == 0:
		return nil, []string{"No environment was chosen. Nothing was done."}
	case len(chosen) > maxChosen:
		return nil, []string{fmt.Sprintf("At most %d environments can be chosen at a time. Nothing was done.", maxChosen)}
	}
	for i, dir := range chosen {
		if r.Context().Err() != nil {
			return done, append(not, fmt.Sprintf("This took too long: nothing was done to the last %d.", len(chosen)-i))
		}
		name := filepath.Base(dir)
		said, err := p.actOn(r.Context(), do, dir)
		p.Log.Info("administration", "action", do.name, "env", name, "dir", dir, "remote", r.RemoteAddr, "error", err)
		if err != nil {
			not = append(not, name+": "+why(err))
			continue
		}
		done = append(done, name+" "+said+".")
	}
	return done, not
}

func (p *Pages) actOn(ctx context.Context, do *action, dir string) (string, error) {
	l, err := p.Source.Registry.Find(ctx, dir)
	if err != nil {
		return "", err
	}
	return do.do(ctx, p.Source.Registry, l)
}

// why is an error in words for an administrator, who may know the cause.
func why(err error) string {
	f := fault.As(err)
	cause := f.Err
	if errors.Is(err, envs.ErrBroken) {
		return cause.Error() + "."
	}
	switch {
	case cause == nil:
		return f.Public
	case f.Public == "":
		return cause.Error() + "."
	}
	return cause.Error() + ". " + f.Public
}
