package gateway

import "context"

// WithUser returns ctx with REMOTE_USER and AUTH_TYPE as told, for a check that
// this program makes itself. What the web server has said of the user stands:
// ctx is returned as it is if its variables name one already, and if name is
// empty or could not have been sent as a variable.
func WithUser(ctx context.Context, name, kind string) context.Context {
	had := FromContext(ctx)
	if name == "" || had.RemoteUser() != "" || hasBreak(name) || hasBreak(kind) {
		return ctx
	}
	v := &vars{listener: &Listener{}}
	if had.v != nil {
		*v = *had.v
	}
	v.pairs = make([]Pair, 0, len(v.pairs)+2)
	v.at = [knownCount]uint16{}
	if had.v != nil {
		for i, p := range had.v.pairs {
			k := knownName(p.Name)
			if k == remoteUser || k == authType {
				continue // empty, or without a user to go with
			}
			v.pairs = append(v.pairs, p)
			if k != unknown && int(had.v.at[k]) == i+1 {
				v.at[k] = uint16(len(v.pairs))
			}
		}
	}
	v.pairs = append(v.pairs, Pair{"REMOTE_USER", name}, Pair{"AUTH_TYPE", kind})
	v.at[remoteUser], v.at[authType] = uint16(len(v.pairs)-1), uint16(len(v.pairs))
	return NewContext(ctx, Vars{v})
}
