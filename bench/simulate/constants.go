package main

import (
	"errors"
	"maps"
	"math"
	"slices"
)

// directoryEach is what an instance takes for each user of another one, where it knows
// them, in bytes: measured once, with 18,000 users on two instances.
const directoryEach = 540

// watchedEach is what a client takes for each user that it watches, in bytes, if nobody
// else does (TestWatchMemory).
const watchedEach = 132

// constants are the model's: each is the slope, or the intercept, of a straight
// line through figures that were measured. CPU times are in seconds.
type constants struct {
	// One join or leave, with PRESENCE=all, beside N users on the instance:
	// base + each*N. ListBytes is what the user list has for each name.
	AnnounceBytes float64 `json:"announceBytes"` // for each client who is told of a leave
	ListBytes     float64 `json:"listBytes"`     // of a join, for each user, besides that
	AnnounceCPU   float64 `json:"announceCPU"`   // for each client who is told, one join at a time
	TogetherCPU   float64 `json:"togetherCPU"`   // the same, of joins that come together
	// The same with PRESENCE=watched, for each watcher.
	WatcherCPU         float64 `json:"watcherCPU"`
	WatcherTogetherCPU float64 `json:"watcherTogetherCPU"`
	// One join or leave in any case, with PRESENCE=none.
	JoinCPU float64 `json:"joinCPU"`

	// Idle connections.
	Memory       float64 `json:"memory"`       // bytes of one
	HeartbeatCPU float64 `json:"heartbeatCPU"` // of one, for each second

	// A relay from one instance to another, of 200 bytes.
	RelayCPU      float64 `json:"relayCPU"`      // of both instances together
	RelayRedisCPU float64 `json:"relayRedisCPU"` // of Redis
	RelayBytes    float64 `json:"relayBytes"`    // to and from Redis

	// A join or leave while there are many on all instances: the CPU of each instance
	// that applies it, and what Redis does, as base + each*instances.
	ToldCPU float64 `json:"toldCPU"`
	Told    store   `json:"told"` // with a feed to all instances
	None    store   `json:"none"`
	// Leases, of Redis, for each pair of instances.
	LeaseCPU float64 `json:"leaseCPU"` // for each second
}

// A store is what a join, or a leave, costs Redis.
type store struct {
	Bytes     float64 `json:"bytes"`
	BytesEach float64 `json:"bytesEach"` // for each instance
	CPU       float64 `json:"cpu"`
	CPUEach   float64 `json:"cpuEach"`
	Commands  float64 `json:"commands"` // those that scripts run included
}

type measuredChange struct {
	CPU, Bytes float64
}

type traffic struct {
	Bytes    float64
	Commands map[string]float64
}

func (t traffic) commands() (n float64) {
	for _, name := range slices.Sorted(maps.Keys(t.Commands)) { // so that rounding is the same every time
		n += t.Commands[name]
	}
	return n
}

func readConstants(dir string) (*constants, error) {
	var scale struct {
		Idle  []struct{ Connections, BytesEach, HeartbeatCPU float64 }
		Joins []struct {
			Presence              string
			Users                 float64
			Join, Leave, Together measuredChange
		}
		Watched []struct {
			Watchers       float64
			Join, Together measuredChange
		}
	}
	var cluster struct {
		Table []struct {
			Window                    int
			CPU, RedisCPU, RedisBytes map[string]float64
		}
		Changes []struct {
			Presence                        string
			Instances, Lease, CPU, RedisCPU float64
			Redis                           traffic
		}
	}
	if err := errors.Join(read(dir, "scale.json", &scale), read(dir, "cluster.json", &cluster)); err != nil {
		return nil, err
	}
	if len(scale.Idle) == 0 || len(scale.Joins) == 0 || len(scale.Watched) == 0 || len(cluster.Table) == 0 || len(cluster.Changes) == 0 {
		return nil, errors.New("scale.json or cluster.json is not of a complete run")
	}
	c := new(constants)
	last := scale.Idle[len(scale.Idle)-1]
	c.Memory, c.HeartbeatCPU = last.BytesEach, last.HeartbeatCPU/1e3/60/1e3

	var join, leave, alone, together, none line
	for _, j := range scale.Joins {
		if j.Presence != "all" {
			none.add(0, j.Join.CPU)
			continue
		}
		join.add(j.Users, j.Join.Bytes)
		leave.add(j.Users, j.Leave.Bytes)
		alone.add(j.Users, j.Join.CPU)
		together.add(j.Users, j.Together.CPU)
	}
	_, c.AnnounceBytes = leave.fit()
	_, c.ListBytes = join.fit()
	c.ListBytes -= c.AnnounceBytes
	_, c.AnnounceCPU = alone.fit()
	_, c.TogetherCPU = together.fit()
	c.JoinCPU = none.mean()
	var watchers, watchersTogether line
	for _, j := range scale.Watched {
		watchers.add(j.Watchers, j.Join.CPU)
		watchersTogether.add(j.Watchers, j.Together.CPU)
	}
	_, c.WatcherCPU = watchers.fit()
	_, c.WatcherTogetherCPU = watchersTogether.fit()
	for _, cpu := range []*float64{&c.AnnounceCPU, &c.TogetherCPU, &c.WatcherCPU, &c.WatcherTogetherCPU, &c.JoinCPU} {
		*cpu = max(*cpu, 0) / 1e6
	}

	for _, r := range cluster.Table {
		if r.Window == 1 {
			c.RelayCPU, c.RelayRedisCPU, c.RelayBytes = r.CPU["ours"]/1e6, r.RedisCPU["ours"]/1e6, r.RedisBytes["ours"]
		}
	}
	var told, lease line
	for presence, s := range map[string]*store{"watched": &c.Told, "none": &c.None} {
		var bytes, cpu line
		var commands []float64
		for _, r := range cluster.Changes {
			if r.Presence == presence {
				bytes.add(r.Instances, r.Redis.Bytes)
				cpu.add(r.Instances, r.RedisCPU/1e6)
				commands = append(commands, r.Redis.commands())
			}
		}
		s.Bytes, s.BytesEach = bytes.fit()
		s.CPU, s.CPUEach = cpu.fit()
		s.CPUEach = max(s.CPUEach, 0)
		s.Commands = mean(commands)
	}
	for _, r := range cluster.Changes {
		if r.Presence == "watched" {
			told.add(r.Instances, r.CPU/1e6)
		}
		lease.add(r.Instances*r.Instances, r.Lease)
	}
	_, c.ToldCPU = told.fit()
	_, c.LeaseCPU = lease.fit()
	return c, nil
}

// A line is points, and the straight line through them.
type line struct{ x, y []float64 }

func (l *line) add(x, y float64) { l.x, l.y = append(l.x, x), append(l.y, y) }

// fit is the line of the least squares: y = base + each*x.
func (l *line) fit() (base, each float64) {
	mx, my := mean(l.x), mean(l.y)
	var xy, xx float64
	for i := range l.x {
		xy += (l.x[i] - mx) * (l.y[i] - my)
		xx += (l.x[i] - mx) * (l.x[i] - mx)
	}
	if xx == 0 {
		return my, 0
	}
	each = xy / xx
	return my - each*mx, each
}

func (l *line) mean() float64 { return mean(l.y) }

func mean(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	var sum float64
	for _, v := range all {
		sum += v
	}
	return sum / float64(len(all))
}
