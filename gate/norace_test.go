//go:build !race

package gate

const bloat = 1
