package memory

// LimitCount is how many values the store keeps, over or not.
func LimitCount(s *Accounts) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.limits)
}
