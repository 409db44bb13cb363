package main

import (
	"bytes"
	"maps"
	"sync"
	"sync/atomic"
)

// A tally counts what goes wrong in a run.
type tally struct {
	lost       atomic.Int64 // neither delivered nor answered with an error
	reordered  atomic.Int64 // delivered behind a later one
	duplicated atomic.Int64 // delivered again
	altered    atomic.Int64 // delivered with another body, or to somebody else

	protocol *protocol
	answers  atomic.Int64 // errors that the server answered with

	mu     sync.Mutex
	errors map[string]int64 // by text
}

// failed reports whether message is an error of the server's, and counts it.
func (t *tally) failed(message []byte) bool {
	if !bytes.HasPrefix(message, t.protocol.failed) {
		return false
	}
	t.answers.Add(1)
	t.count(t.protocol.errorText(message))
	return true
}

// count counts one error.
func (t *tally) count(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.errors == nil {
		t.errors = make(map[string]int64)
	}
	const most = 100
	if _, known := t.errors[text]; !known && len(t.errors) >= most {
		text = "others"
	}
	t.errors[text]++
}

// all returns the errors by text.
func (t *tally) all() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.errors)
}
