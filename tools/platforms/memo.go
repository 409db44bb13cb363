package main

import "sync"

// A memo holds what was made of each file, for all that ask at the same time.
type memo[T any] struct {
	mu   sync.Mutex
	made map[string]func() (T, error)
}

func (m *memo[T]) get(name string, compute func() (T, error)) (T, error) {
	m.mu.Lock()
	once, ok := m.made[name]
	if !ok {
		if m.made == nil {
			m.made = make(map[string]func() (T, error))
		}
		once = sync.OnceValues(compute)
		m.made[name] = once
	}
	m.mu.Unlock()
	return once()
}
