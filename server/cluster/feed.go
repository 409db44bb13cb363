package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The feed is what the scripts publish: `version count changes`, where version
// is that of the last of them, and each change has five fields, every one as
// `length:bytes`: kind, name, instance, epoch, key. The kinds are those of changes,
// except that a claim is a claim, however it was guarded, or a claim again, where
// who had the name was away. A verdict on a takeover has the instance that gives it,
// the epoch of the registration that it is about, and the process of that as its key.
// Before a claim for a name that another instance has which lives stands that instance,
// as the key of a change of its own.
//
// Neighbouring releases read each other's feed, so it stays as it is;
// testdata/feed.txt holds the bytes. A change of an unknown kind is skipped: a
// later release may add only kinds that the others can do without.

// A fed change is one of the feed's.
type fed struct {
	kind, name string
	holder
}

// apply applies changes, all of them once and in their order. An error says
// that the instance has to join again.
func (s *session) apply(payload string) error {
	version, list, err := parseFeed(payload)
	if err != nil {
		return fmt.Errorf("%w: feed: %w", errRejoin, err)
	}
	first := version - int64(len(list)) + 1
	applied := s.applied.Load()
	switch {
	case version <= applied:
		return nil // in the snapshot already
	case first > applied+1:
		return fmt.Errorf("%w: missed changes %d to %d", errRejoin, applied+1, first-1)
	}
	list = list[applied+1-first:]
	s.applied.Store(version) // at once, for check to see that it goes on
	for i := range list {
		s.change(&list[i])
	}
	s.c.counts.changes.Add(uint64(len(list)))
	return nil
}

// change applies one change.
func (s *session) change(f *fed) {
	c := s.c
	known := c.Hub.Find([]byte(f.name))
	if f.kind == kindTwo || f.kind == kindOne {
		instance := f.key
		if instance == c.process {
			instance = ""
		}
		c.Hub.Settle(f.name, instance, f.epoch, f.kind == kindTwo)
		return
	}
	if f.kind == kindFormer {
		switch s.instance {
		case f.instance:
			c.former(f.epoch, f.key)
		case f.key:
			s.reports = f.holder
		}
		return
	}
	if f.process() == c.process {
		// The rest of what we did ourselves is done.
		if f.instance == s.instance && (f.kind == kindClaim || f.kind == kindAgain && !f.isOurs(known)) {
			c.commit(f.name, f.epoch, f.kind == kindAgain)
			c.relays.wake(c, f.name)
		}
		return
	}
	same := f.is(known)
	switch f.kind {
	case kindClaim, kindAgain:
		c.relays.note(&f.holder)
		if same {
			known.SetKey(strings.Clone(f.key))
			return
		}
		u := c.user(f.name, f.holder)
		c.Hub.BindRemote(u, f.kind == kindAgain && (c.Grace > 0 || known != nil && known.Instance == u.Instance))
		if !c.Presence { // only that our user lost the name concerns us
			c.Hub.ForgetRemote(u)
		}
		if s.reports.instance == f.instance && s.reports.epoch == f.epoch {
			c.relays.report(c, f)
		}
		c.relays.wake(c, f.name)
	case kindKey:
		if same {
			known.SetKey(strings.Clone(f.key))
		}
	case kindRelease:
		if same {
			c.Hub.UnbindRemote(known)
		}
		c.relays.wake(c, f.name)
	default:
		c.Log.Debug("change of an unknown kind skipped", "node", c.Name, "instance", f.instance, "kind", f.kind)
	}
}

var errFeed = errors.New("malformed")

func parseFeed(payload string) (version int64, list []fed, err error) {
	head, rest, ok := strings.Cut(payload, " ")
	if !ok {
		return 0, nil, errFeed
	}
	if version, err = strconv.ParseInt(head, 10, 64); err != nil {
		return 0, nil, errFeed
	}
	if head, rest, ok = strings.Cut(rest, " "); !ok {
		return 0, nil, errFeed
	}
	count, err := strconv.Atoi(head)
	if err != nil || count < 1 || int64(count) > version || count > len(rest) {
		return 0, nil, errFeed
	}
	list = make([]fed, 0, count)
	for range count {
		var fields [5]string
		for i := range fields {
			if fields[i], rest, ok = parseField(rest); !ok {
				return 0, nil, errFeed
			}
		}
		f := fed{kind: fields[0], name: fields[1]}
		f.instance, f.key = fields[2], fields[4]
		if f.epoch, err = strconv.ParseUint(fields[3], 10, 64); err != nil || f.process() == "" {
			return 0, nil, errFeed
		}
		list = append(list, f)
	}
	if rest != "" {
		return 0, nil, errFeed
	}
	return version, list, nil
}

// parseField reads `length:bytes`.
func parseField(p string) (field, rest string, ok bool) {
	length, rest, ok := strings.Cut(p, ":")
	if !ok {
		return "", "", false
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > len(rest) {
		return "", "", false
	}
	return rest[:n], rest[n:], true
}
