package field

import "testing"

// A fate is what happens, under the name that it has in the table.
type fate struct {
	name string
	meet func(t *testing.T, f fate, ps programs)
}

var fates = []fate{
	{"stop and start", restart(stopped, "native", rows)},
	{"kill and start", restart(killed, "native", rows)},
	{"stop and start, zishang", restart(stopped, "zishang", overWebSocket)},
	{"kill and start, zishang", restart(killed, "zishang", overWebSocket)},
	{"rolling restart behind nginx", rollingBehind(nginx)},
	{"rolling restart behind haproxy", rollingBehind(haproxy)},
	{"429, then room", rateLimit("native", rows)},
	{"429, then room, zishang", rateLimit("zishang", overWebSocket)},
	{"server paused", serverPaused},
	{"client asleep", clientAsleep},
	{"network silent", networkCut((*link).silence)},
	{"network resets", networkCut((*link).reset)},
	{"Redis gone", redisGone},
	{"key set unreachable", keySetUnreachable},
	{"name taken over asleep", takenOverAsleep},
	{"page reloaded", pageReloaded},
}

func TestField(t *testing.T) {
	t.Parallel()
	ps := startPrograms(t)
	t.Cleanup(func() { results.publish(t) })
	for _, f := range fates {
		results.fates = append(results.fates, f.name)
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.meet(t, f, ps)
		})
	}
}
