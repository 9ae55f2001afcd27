package stamp

import (
	"io/fs"
	"syscall"
)

func identityOf(info fs.FileInfo) identity {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return identity{st.Dev, st.Ino, st.Ctim.Nano()}
	}
	return identity{}
}
