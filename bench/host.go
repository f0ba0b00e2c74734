package main

import (
	"fmt"
	"os"
)

// processorTime is how long this machine's processors were at hand since it started, and how long of that its host gave them to
// other machines instead, in the units of proc_stat(5).
type processorTime struct{ all, stolen float64 }

// processors returns zero where the system does not tell.
func processors() (t processorTime) {
	stat, _ := os.ReadFile("/proc/stat")
	var user, nice, system, idle, wait, irq, softirq float64
	fmt.Sscanf(string(stat), "cpu %g %g %g %g %g %g %g %g", &user, &nice, &system, &idle, &wait, &irq, &softirq, &t.stolen)
	t.all = user + nice + system + idle + wait + irq + softirq + t.stolen
	return t
}

// stolenSince returns the part that others had since before: what was measured meanwhile is worth the less.
func (t processorTime) stolenSince(before processorTime) float64 {
	return (t.stolen - before.stolen) / max(1, t.all-before.all)
}
