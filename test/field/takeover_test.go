package field

import (
	"fmt"
	"slices"
)

func (c *crowd) index(p *pair) int { return slices.Index(c.pairs, p) }

// joins is how often each client has registered.
func joins(crowds ...*crowd) map[*client]int {
	counts := make(map[*client]int)
	for _, c := range crowds {
		for _, one := range c.all() {
			counts[one] = one.state().joins
		}
	}
	return counts
}

// holder is the one of two devices that has their name. It must have had it all
// the time between before and after.
func holder(first, second *client, before, after map[*client]int) (*client, error) {
	for _, one := range []*client{first, second} {
		if n := after[one] - before[one]; n > 0 {
			return nil, fmt.Errorf("%s is fought over: registered %d times more", one.spec.ID, n)
		}
	}
	a, b := first.state(), second.state()
	switch {
	case a.registered && b.registered:
		return nil, fmt.Errorf("both devices think that they are %s", first.spec.ID)
	case a.registered:
		return first, nil
	case b.registered:
		return second, nil
	}
	return nil, fmt.Errorf("nobody is %s: %s; %s", first.spec.ID, a.reason, b.reason)
}
