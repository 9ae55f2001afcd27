package try_test

import "testing"

func TestUWSGI(t *testing.T) { walk(t, "uwsgi", "uwsgi", true) }

func TestUWSGILogin(t *testing.T) {
	login(t, "uwsgi", "uwsgi", false)
	t.Run("everywhere", func(t *testing.T) { login(t, "uwsgi", "uwsgi", true) })
}
