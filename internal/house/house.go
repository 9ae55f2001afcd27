// Package house holds the rules of this code base, as tests: who may import
// whom, where the environment may be read from a context, what may be a
// package-level variable. A rule that is only written down drifts.
package house
