package envs

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"projhost/db"
	"projhost/envs/tracini"
)

// Size is what an environment takes up.
type Size struct {
	Database    int64     // bytes
	Attachments int64     // bytes
	At          time.Time // when it was measured; zero if it is not known yet
}

// Bounds of measuring.
const (
	sizeLife   = time.Hour        // how long a size is believed
	sizeTime   = 30 * time.Second // for one environment; a larger one is not known
	sizeShare  = verifyShare      // of one core, one part in so many
	sizeStride = 1024             // files between two rests
)

// sizes are those that were measured.
type sizes struct {
	mu    sync.RWMutex
	byDir map[string]Size
	tried map[string]time.Time // when those that could not be measured were

	running atomic.Bool
}

func (s *sizes) of(dir string) Size {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byDir[dir]
}

// due tells whether an environment is to be measured.
func (s *sizes) due(dir string, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return now.Sub(s.byDir[dir].At) >= sizeLife && now.Sub(s.tried[dir]) >= sizeLife
}

func (s *sizes) set(dir string, size Size, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		delete(s.byDir, dir)
		s.tried[dir] = time.Now()
		return
	}
	delete(s.tried, dir)
	s.byDir[dir] = size
}

// keep forgets all environments but these.
func (s *sizes) keep(dirs map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for dir := range s.byDir {
		if !dirs[dir] {
			delete(s.byDir, dir)
		}
	}
	for dir := range s.tried {
		if !dirs[dir] {
			delete(s.tried, dir)
		}
	}
}

// measureSoon measures in the background what of these is not known or old, one
// after the other, unless it is being done.
func (r *Registry) measureSoon(all []Status) {
	now := time.Now()
	if !r.sizes.running.CompareAndSwap(false, true) {
		return
	}
	dirs := make(map[string]bool, len(all))
	var due []string
	for i := range all {
		dirs[all[i].Dir] = true
		if r.sizes.due(all[i].Dir, now) {
			due = append(due, all[i].Dir)
		}
	}
	r.sizes.keep(dirs)
	go func() {
		defer r.sizes.running.Store(false)
		for _, dir := range due {
			began := time.Now()
			size, err := r.Measure(r.stopped, dir)
			if r.stopped.Err() != nil {
				return
			}
			if err != nil {
				r.options.Log.Debug("environment cannot be measured", "dir", dir, "error", err)
			}
			r.sizes.set(dir, size, err)
			r.rest(sizeShare * time.Since(began))
		}
	}()
}

// rest waits, but not longer than the registry is there.
func (r *Registry) rest(d time.Duration) {
	select {
	case <-r.stopped.Done():
	case <-time.After(d):
	}
}

// Measure finds out what an environment takes up, whether it is in order or not.
// It rests now and then among many attachments, and gives up when that takes
// too long.
func (r *Registry) Measure(ctx context.Context, dir string) (Size, error) {
	ctx, cancel := context.WithTimeout(ctx, sizeTime)
	defer cancel()
	config, err := tracini.Load(ConfigFile(dir))
	if err != nil {
		return Size{}, err
	}
	size := Size{At: time.Now()}
	size.Database, err = db.Size(ctx, dir, config.String("trac", "database"), db.Options{Log: r.options.Log, Budget: r.budget, Passing: !poolable(config)})
	if err != nil {
		return Size{}, err
	}
	files, began := 0, time.Now()
	err = filepath.WalkDir(filepath.Join(dir, "files", "attachments"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreMissing(err)
		}
		if files++; files%sizeStride == 0 {
			r.rest(time.Since(began))
			began = time.Now()
		}
		fi, err := d.Info()
		if err == nil {
			size.Attachments += fi.Size()
		}
		return errors.Join(ignoreMissing(err), ctx.Err())
	})
	if err != nil {
		return Size{}, err
	}
	return size, nil
}

// ignoreMissing is err, unless it is about what has just been removed.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
