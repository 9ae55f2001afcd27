package front

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"projhost/internal/stamp"
)

// certificateRest is how often, at most, a certificate's files are looked at.
const certificateRest = time.Second

// keyPair is a certificate that is read again when its files change, so that a
// renewal needs no signal, and by a signal, which tells what is wrong. A pair that cannot be read leaves the former one in force.
type keyPair struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamps  [2]stamp.Stamp // of what was read last, be it bad
	looked  time.Time
}

// newKeyPair reads the files; the error names the one that is wrong.
func newKeyPair(cert, key string, log *slog.Logger) (*keyPair, error) {
	if key == "" {
		key = cert
	}
	k := &keyPair{cert: cert, key: key, log: log, looked: time.Now()}
	stamps, err := k.stampFiles()
	if err != nil {
		return nil, err
	}
	return k, k.read(stamps)
}

// warn tells of a key that everybody on the machine can read.
func (k *keyPair) warn() {
	if info, err := os.Stat(k.key); err == nil && info.Mode().Perm()&0o007 != 0 {
		k.log.Warn("everybody on this machine can read or change the key: chmod o-rwx", "file", k.key)
	}
	if leaf := k.current.Leaf; leaf != nil && time.Now().After(leaf.NotAfter) {
		k.log.Warn("the certificate has expired", "file", k.cert, "on", leaf.NotAfter)
	}
}

func (k *keyPair) stampFiles() (s [2]stamp.Stamp, err error) {
	for i, path := range []string{k.cert, k.key} {
		info, err := os.Stat(path)
		if err != nil {
			return s, err
		}
		s[i] = stamp.OfInfo(info)
	}
	return s, nil
}

// get is for tls.Config.GetCertificate.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.looked) >= certificateRest {
		k.looked = now
		k.refresh()
	}
	if k.current == nil {
		return nil, errors.New("no certificate")
	}
	return k.current, nil
}

// refresh reads the files again if they have changed.
func (k *keyPair) refresh() {
	stamps, err := k.stampFiles()
	if err != nil {
		if k.stamps != [2]stamp.Stamp{} { // told once
			k.log.Error("the certificate cannot be read again, the former one stays in force", "file", k.cert, "error", err)
			k.stamps = [2]stamp.Stamp{}
		}
		return
	}
	if stamps == k.stamps {
		return
	}
	if err := k.read(stamps); err != nil {
		k.log.Error("the certificate cannot be read again, the former one stays in force", "file", k.cert, "error", err)
		return
	}
	k.log.Info("the certificate was read again", "file", k.cert)
}

// read takes the files as they are; if that fails, the former pair stays.
func (k *keyPair) read(stamps [2]stamp.Stamp) error {
	k.stamps = stamps
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", k.cert, k.key, err)
	}
	k.current = &pair
	k.warn()
	return nil
}

// reload reads the files whether they have changed or not.
func (k *keyPair) reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	stamps, err := k.stampFiles()
	if err != nil {
		return err
	}
	return k.read(stamps)
}
