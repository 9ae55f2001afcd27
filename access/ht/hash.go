package ht

import (
	"crypto/sha1" //nolint:gosec // what {SHA} lines of htpasswd files are made of
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/GehirnInc/crypt"
	"github.com/GehirnInc/crypt/apr1_crypt"
	"github.com/GehirnInc/crypt/md5_crypt"
	"github.com/GehirnInc/crypt/sha256_crypt"
	"github.com/GehirnInc/crypt/sha512_crypt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Bounds of what one check of a password may cost. A file is the
// administrator's, but every visitor who guesses pays with our time.
const (
	maxBcryptCost   = 16        // about 5 s
	maxRounds       = 1_000_000 // of sha256-crypt and sha512-crypt
	maxArgonMemory  = 256 << 10 // KiB
	maxArgonPasses  = 64
	maxArgonThreads = 64
	maxArgonBytes   = 64 // of salt and of sum
	minArgonSum     = 16
	minArgonSalt    = 8
)

// secret is the stored form of a password. Only parseHash makes one.
type secret struct {
	text   string
	verify func(stored, password string) bool
}

// errUnknownHash is what an entry is left out for. Nothing that is not known is
// ever compared as plain text.
var errUnknownHash = errors.New("unknown kind of hash: make a new one with htpasswd -B")

// parseHash tells by its beginning what a hash is. The error does not repeat it.
func parseHash(s string) (secret, error) {
	for _, k := range [...]struct {
		prefix string
		check  func(string) error
		verify func(stored, password string) bool
	}{
		{"{SHA}", checkSHA, verifySHA},
		{apr1_crypt.MagicPrefix, nil, verifyCrypt(apr1_crypt.New)},
		{md5_crypt.MagicPrefix, nil, verifyCrypt(md5_crypt.New)},
		{sha256_crypt.MagicPrefix, checkRounds, verifyCrypt(sha256_crypt.New)},
		{sha512_crypt.MagicPrefix, checkRounds, verifyCrypt(sha512_crypt.New)},
		{"$2a$", checkBcrypt, verifyBcrypt},
		{"$2b$", checkBcrypt, verifyBcrypt},
		{"$2y$", checkBcrypt, verifyBcrypt},
		{"$argon2id$", checkArgon, verifyArgon},
		{"$argon2i$", checkArgon, verifyArgon},
	} {
		if !strings.HasPrefix(s, k.prefix) {
			continue
		}
		if k.check != nil {
			if err := k.check(s); err != nil {
				return secret{}, err
			}
		}
		return secret{s, k.verify}, nil
	}
	return secret{}, errUnknownHash
}

// is tells whether password is the one that h was made of.
func (h secret) is(password string) bool { return h.verify(h.text, password) }

func checkSHA(s string) error {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "{SHA}"))
	if err != nil || len(sum) != sha1.Size {
		return errors.New("what follows {SHA} is not a SHA-1 sum in base64")
	}
	return nil
}

func verifySHA(stored, password string) bool {
	sum := sha1.Sum([]byte(password))
	return same("{SHA}"+base64.StdEncoding.EncodeToString(sum[:]), stored)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// verifyCrypt is for the kinds that crypt(3) has.
func verifyCrypt(kind func() crypt.Crypter) func(stored, password string) bool {
	return func(stored, password string) bool {
		made, err := kind().Generate([]byte(password), []byte(stored))
		return err == nil && same(made, stored)
	}
}

// checkRounds bounds "$5$rounds=N$...".
func checkRounds(s string) error {
	_, n, ok := strings.Cut(s[1:], "$rounds=")
	if !ok {
		return nil
	}
	n, _, _ = strings.Cut(n, "$")
	if rounds, err := strconv.Atoi(n); err != nil || rounds > maxRounds {
		return fmt.Errorf("more than %d rounds", maxRounds)
	}
	return nil
}

func checkBcrypt(s string) error {
	cost, err := bcrypt.Cost([]byte(s))
	switch {
	case err != nil || len(s) != 60:
		return errors.New("not a whole bcrypt hash")
	case cost > maxBcryptCost:
		return fmt.Errorf("a bcrypt cost of %d: %d is the most that is checked", cost, maxBcryptCost)
	}
	return nil
}

func verifyBcrypt(stored, password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(stored), []byte(password)) == nil
}

// argon is a parsed "$argon2id$v=19$m=65536,t=3,p=4$SALT$SUM" (RFC 9106, in the
// form of the PHC string format).
type argon struct {
	id             bool
	memory, passes uint32
	threads        uint8
	salt, sum      []byte
}

func parseArgon(s string) (a argon, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return a, errors.New("not an argon2 hash of version 19 with m, t, p, salt and sum")
	}
	a.id = parts[1] == "argon2id"
	settings := strings.Split(parts[3], ",")
	if len(settings) != 3 {
		return a, errors.New("an argon2 hash with other parameters than m, t and p")
	}
	var n [3]uint64
	for i, want := range [...]struct {
		name string
		max  uint64
	}{{"m=", maxArgonMemory}, {"t=", maxArgonPasses}, {"p=", maxArgonThreads}} {
		value, ok := strings.CutPrefix(settings[i], want.name)
		n[i], err = strconv.ParseUint(value, 10, 32)
		if !ok || err != nil || n[i] == 0 || n[i] > want.max {
			return a, fmt.Errorf("an argon2 hash whose %s is not 1 to %d", strings.TrimSuffix(want.name, "="), want.max)
		}
	}
	a.memory, a.passes, a.threads = uint32(n[0]), uint32(n[1]), uint8(n[2])
	var errSalt, errSum error
	a.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	a.sum, errSum = base64.RawStdEncoding.DecodeString(parts[5])
	if errors.Join(errSalt, errSum) != nil || len(a.salt) < minArgonSalt || len(a.salt) > maxArgonBytes || len(a.sum) < minArgonSum || len(a.sum) > maxArgonBytes {
		return a, errors.New("an argon2 hash whose salt or sum is too short, too long or not base64")
	}
	return a, nil
}

func checkArgon(s string) error {
	_, err := parseArgon(s)
	return err
}

func verifyArgon(stored, password string) bool {
	a, err := parseArgon(stored)
	if err != nil {
		return false
	}
	derive := argon2.Key
	if a.id {
		derive = argon2.IDKey
	}
	made := derive([]byte(password), a.salt, a.passes, a.memory, a.threads, uint32(len(a.sum)))
	return subtle.ConstantTimeCompare(made, a.sum) == 1
}
