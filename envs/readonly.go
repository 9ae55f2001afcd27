package envs

import (
	"projhost/db/schema"
	"projhost/envs/tracini"
)

// ReadOnlyBy is why an environment is only read: nobody signs in here, nothing can
// be changed in it, and its database is opened for reading alone.
type ReadOnlyBy string

const (
	ReadWrite         ReadOnlyBy = ""        // it is not
	ReadOnlyByHost    ReadOnlyBy = "host"    // [Options.ReadOnly]
	ReadOnlyBySetting ReadOnlyBy = "setting" // [trac] readonly
	ReadOnlyBySchema  ReadOnlyBy = "schema"  // the tables are of an older Trac
)

// Declared is true if somebody has said so: then nothing changes while it lasts,
// and former logins are over. Tables of an older Trac may still be in that one's use.
func (by ReadOnlyBy) Declared() bool { return by == ReadOnlyByHost || by == ReadOnlyBySetting }

// declared is why an environment is only read, whatever its tables. For an
// administrator's commands it is not: the switches are about visitors.
func (r *Registry) declared(config *tracini.Config) ReadOnlyBy {
	switch {
	case r.options.Admin:
	case r.options.ReadOnly:
		return ReadOnlyByHost
	case config.Bool("trac", "readonly"):
		return ReadOnlyBySetting
	}
	return ReadWrite
}

// readOnlyBy is why an environment is only read whose tables are of a version.
// What somebody has said comes first, since more follows from it.
func (r *Registry) readOnlyBy(config *tracini.Config, version int) ReadOnlyBy {
	if by := r.declared(config); by != ReadWrite || version == schema.Version {
		return by
	}
	return ReadOnlyBySchema
}
