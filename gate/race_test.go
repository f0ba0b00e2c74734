//go:build race

package gate

// bloat is how much more memory things may take under the race detector, which keeps a shadow of it all.
const bloat = 10
