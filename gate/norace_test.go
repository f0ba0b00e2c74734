//go:build !race

package gate

const slower = 1
