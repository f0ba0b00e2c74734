package main

import "runtime"

// ballastSize is how much more garbage may come together before it is collected.
const ballastSize = 32 << 20

// takeBallast takes memory that nobody touches, for which the system therefore gives none, until it is dropped. The garbage collector counts it
// as in use, and begins when as much again has come together. A server with few sessions has so little else in use that under forward-auth it would
// collect 25 times a second, for an eighth of its processor time.
func takeBallast() (drop func()) {
	ballast := make([]byte, ballastSize)
	return func() { runtime.KeepAlive(ballast) }
}
