package main

import "math"

// A demand is what users do.
type demand struct {
	Session float64 `json:"session"` // seconds that a user stays
	Calls   float64 `json:"calls"`   // that a user begins in an hour
	Relays  float64 `json:"relays"`  // in a call
	// Contacts are the users who are online that a user watches with
	// PRESENCE=watched, and that watch this user.
	Contacts float64 `json:"contacts"`
}

// A load is what all that comes to. Rates are per second.
type load struct {
	Presence string  `json:"presence"`
	Users    float64 `json:"users"`

	Changes float64 `json:"changes"` // joins and leaves, in the whole cluster
	Relays  float64 `json:"relays"`  // in the whole cluster

	// Of each client.
	ClientEvents float64 `json:"clientEvents"` // peer-connected and peer-disconnected
	ClientBytes  float64 `json:"clientBytes"`

	// Of each instance.
	Connections   float64 `json:"connections"`
	Announcements float64 `json:"announcements"` // peer-connected and peer-disconnected to its clients
	ListBytes     float64 `json:"listBytes"`     // of one user list
	Bytes         float64 `json:"bytes"`         // sent to clients
	Messages      float64 `json:"messages"`      // sent to clients
	Cores         float64 `json:"cores"`         // if announcements leave together, as they do under load
	CoresAlone    float64 `json:"coresAlone"`    // if each left alone
	Memory        float64 `json:"memory"`        // of connections
	WatchMemory   float64 `json:"watchMemory"`   // of what they watch
	Directory     float64 `json:"directory"`     // of the users of other instances

	// Of Redis.
	RedisCommands float64 `json:"redisCommands"`
	RedisBytes    float64 `json:"redisBytes"`
	RedisCores    float64 `json:"redisCores"`
}

// load computes it.
func (c *constants) load(users float64, instances int, presence string, d demand) load {
	n := float64(instances)
	l := load{
		Presence: presence, Users: users,
		Changes:     2 * users / d.Session,
		Relays:      users * d.Calls / 3600 * d.Relays,
		Connections: users / n,
	}
	l.Memory = l.Connections * c.Memory
	l.Cores = l.Connections*c.HeartbeatCPU + l.Changes/n*c.JoinCPU
	l.CoresAlone = l.Cores

	// Of what is relayed, this much is for another instance. The rest costs
	// less; it counts the same here.
	away := l.Relays * (n - 1) / n
	const relayed = 260 // bytes: a candidate of 200 in its envelope
	l.Cores += l.Relays / n * c.RelayCPU
	l.CoresAlone += l.Relays / n * c.RelayCPU
	l.Messages = l.Relays / n
	l.Bytes = l.Relays / n * relayed
	l.RedisBytes = away * c.RelayBytes
	l.RedisCores = away * c.RelayRedisCPU
	l.RedisCommands = away * 2 // a relay and its answer, if none leave together

	// The others' changes reach every instance, unless there is no presence.
	others := users * (n - 1) / n
	s := c.Told
	told := l.Changes * (n - 1) / n * c.ToldCPU
	switch presence {
	case "none":
		s = c.None
	case "watched":
		l.ClientEvents = 2 / d.Session * d.Contacts
		l.ClientBytes = l.ClientEvents * c.AnnounceBytes
		l.Announcements = l.ClientEvents * l.Connections
		l.ListBytes = d.Contacts * c.ListBytes
		l.Messages += l.Announcements
		l.Bytes += l.Announcements*c.AnnounceBytes + l.Changes/2/n*l.ListBytes
		l.Cores += l.Announcements*c.WatcherTogetherCPU + told
		l.CoresAlone += l.Announcements*c.WatcherCPU + told
		l.WatchMemory, l.Directory = l.Connections*d.Contacts*watchedEach, others*directoryEach
	default:
		// Everybody is told of every change, and every newcomer of everybody.
		l.ClientEvents, l.ClientBytes = l.Changes, l.Changes*c.AnnounceBytes
		l.Announcements = l.Changes * l.Connections
		l.ListBytes = users * c.ListBytes
		l.Messages += l.Announcements
		l.Bytes += l.Announcements*c.AnnounceBytes + l.Changes/2/n*l.ListBytes
		l.Cores += l.Announcements*c.TogetherCPU + told
		l.CoresAlone += l.Announcements*c.AnnounceCPU + told
		l.Directory = others * directoryEach
	}
	l.RedisBytes += l.Changes * (s.Bytes + s.BytesEach*n)
	l.RedisCores += l.Changes*(s.CPU+s.CPUEach*n) + n*n*c.LeaseCPU
	l.RedisCommands += l.Changes * s.Commands
	return l
}

// means are what there is.
type means struct{ Bits, Cores, Outbox, Events, Memory float64 }

// A limit is up to how many users something suffices.
type limit struct {
	Presence string  `json:"presence"`
	What     string  `json:"what"`
	Users    float64 `json:"users"`
}

// limits are all of them.
func (c *constants) limits(instances int, presence string, d demand, m means) []limit {
	var all []limit
	for _, of := range []struct {
		what string
		full func(l load) bool
	}{
		{"a client gets more presence events than it may", func(l load) bool { return l.ClientEvents > m.Events }},
		{"network of an instance", func(l load) bool { return 8*l.Bytes > m.Bits }},
		{"CPU of an instance", func(l load) bool { return l.Cores > m.Cores }},
		{"a newcomer's user list is above MAX_OUTBOX_BYTES: it is disconnected", func(l load) bool { return l.ListBytes > m.Outbox }},
		{"memory of an instance", func(l load) bool { return l.Memory+l.WatchMemory+l.Directory > m.Memory }},
		{"network of Redis", func(l load) bool { return 8*l.RedisBytes > m.Bits }},
		{"CPU of Redis", func(l load) bool { return l.RedisCores > 1 }},
	} {
		users := most(func(users float64) bool { return of.full(c.load(users, instances, presence, d)) })
		if users > 0 {
			all = append(all, limit{presence, of.what, users})
		}
	}
	return all
}

// most is how many users there may be until full, which stays true once it is;
// 0 is any number.
func most(full func(users float64) bool) float64 {
	low, high := 1.0, 1e10
	if !full(high) {
		return 0
	}
	for high/low > 1.001 {
		if middle := math.Sqrt(low * high); full(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}
