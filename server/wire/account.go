package wire

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// An Account is of all memory that is held for and from clients. Past its limit,
// relays to clients who do not take what waits for them are refused, and the one
// that holds most of what it caused itself is ended: what others sent to a client
// never ends it. A nil Account has no limit.
type Account struct {
	limit int64
	held  atomic.Int64

	mu      sync.Mutex
	holders map[*Holder]struct{} // those that hold something that they caused themselves

	wake chan struct{}
	stop chan struct{}
	done chan struct{}
}

// A Holder is what is held for and from one client.
type Holder struct {
	account *Account
	end     func()
	own     atomic.Int64
}

// ErrHeld says that the connection was cut because it held too much memory of
// what it caused itself, when too much was held in all.
var ErrHeld = errors.New("too much memory held")

// NewAccount returns an account with a limit in bytes; 0 means none. Close ends
// its goroutine.
func NewAccount(limit int) *Account {
	a := &Account{
		limit:   int64(limit),
		holders: make(map[*Holder]struct{}),
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go a.relieve()
	return a
}

// Close ends the account. It must be called once.
func (a *Account) Close() {
	close(a.stop)
	<-a.done
}

// Held is how many bytes are held.
func (a *Account) Held() int64 {
	if a == nil {
		return 0
	}
	return a.held.Load()
}

// Full reports whether nothing more is to be held for others.
func (a *Account) Full() bool {
	return a != nil && a.limit > 0 && a.held.Load() >= a.limit
}

// Open returns a client's part. end ends the client; it must not wait.
func (a *Account) Open(end func()) Holder { return Holder{account: a, end: end} }

// Add changes how much is held: of what the client caused itself, such as
// incomplete messages and answers that it does not fetch, and of what others did.
// Negative numbers give back what was held.
func (h *Holder) Add(own, others int) {
	a := h.account
	if a == nil || own == 0 && others == 0 {
		return
	}
	held := a.held.Add(int64(own + others))
	if own != 0 {
		now := h.own.Add(int64(own))
		if before := now - int64(own); before <= 0 || now <= 0 {
			a.list(h)
		}
	}
	if own+others > 0 && a.limit > 0 && a.excess(held) > 0 {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// excess is by how much too much is held for refusing relays to be enough. That
// holds others' part at the limit, or a little above, for which nobody is to be
// ended.
func (a *Account) excess(held int64) int64 { return held - a.limit - a.limit/8 }

// list lists a holder as long as it holds something of its own.
func (a *Account) list(h *Holder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.own.Load() > 0 {
		a.holders[h] = struct{}{}
	} else {
		delete(a.holders, h)
	}
}

// relieve ends clients until the account is below its limit, or will be once they
// have ended. It runs until Close.
func (a *Account) relieve() {
	defer close(a.done)
	var ended []*Holder // that may not have given everything back yet
	for {
		select {
		case <-a.wake:
		case <-a.stop:
			return
		}
		over := a.excess(a.held.Load())
		ended = slices.DeleteFunc(ended, func(h *Holder) bool {
			own := h.own.Load()
			over -= own
			return own <= 0
		})
		for over > 0 {
			h := a.worst(ended)
			if h == nil {
				break
			}
			over -= h.own.Load()
			ended = append(ended, h)
			h.end()
		}
	}
}

// worst returns the holder of most that is not ended yet, or nil.
func (a *Account) worst(ended []*Holder) (worst *Holder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for h := range a.holders {
		if (worst == nil || h.own.Load() > worst.own.Load()) && !slices.Contains(ended, h) {
			worst = h
		}
	}
	return worst
}
