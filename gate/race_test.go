//go:build race

package gate

// slower is how much longer what is promised may take under the race detector.
const slower = 10
