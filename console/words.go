package console

import (
	"fmt"
	"strings"
	"time"
)

// Words says a duration in whole seconds in words: "5 minutes", "24 days, 20 hours, 31 minutes, 22 seconds".
func Words(d time.Duration) string {
	units := []struct {
		size      time.Duration
		one, many string
	}{
		{24 * time.Hour, "day", "days"},
		{time.Hour, "hour", "hours"},
		{time.Minute, "minute", "minutes"},
		{time.Second, "second", "seconds"},
	}
	var parts []string
	for _, u := range units {
		if n := int(d / u.size); n > 0 {
			parts = append(parts, plural(n, u.one, u.many))
			d %= u.size
		}
	}
	if len(parts) == 0 {
		return "0 seconds"
	}
	return strings.Join(parts, ", ")
}

// shortWords is Words to two units, for columns: "3 days, 4 hours".
func shortWords(d time.Duration) string {
	parts := strings.SplitN(Words(d), ", ", 3)
	return strings.Join(parts[:min(len(parts), 2)], ", ")
}

// plural counts things: "1 session", "1,204 sessions".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// grouped writes a number with a comma at each thousand.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// countdown says how long is left, as a clock does: "14:59", "7:59:59", "24 d 20 h".
func countdown(d time.Duration) string {
	d = max(d, 0)
	h, m, s := int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case h >= 48:
		return fmt.Sprintf("%d d %d h", h/24, h%24)
	case h > 0:
		return fmt.Sprintf("%d:%02d:%02d", h, m, s)
	default:
		return fmt.Sprintf("%d:%02d", m, s)
	}
}
