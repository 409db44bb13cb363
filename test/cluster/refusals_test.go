package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A refusal is something that Redis does not do although it can be reached.
type refusal struct {
	name string
	// args are of redis-server.
	args        []string
	begin, heal func(r *rig.Redis)
	reason      string // which the log gives
	long        bool   // only with -long
}

func do(commands ...string) func(*rig.Redis) {
	return func(r *rig.Redis) {
		for _, c := range commands {
			r.Do(strings.Fields(c)...)
		}
	}
}

var refusals = []refusal{
	{"READONLY", nil, do("REPLICAOF 127.0.0.1 1"), do("REPLICAOF NO ONE"), "READONLY", true},
	{"OOM", nil, do("CONFIG SET maxmemory 1mb"), do("CONFIG SET maxmemory 0"), "OOM", true},
	{"NOREPLICAS", nil, do("CONFIG SET min-replicas-to-write 1"), do("CONFIG SET min-replicas-to-write 0"), "NOREPLICAS", true},
	{"MISCONF", []string{"--dir", "/proc"}, func(r *rig.Redis) {
		r.Do("CONFIG", "SET", "save", "1 1")
		for !strings.HasPrefix(r.Do("SET", "x", "1"), "-MISCONF") { // once it has failed to save
			time.Sleep(50 * time.Millisecond)
		}
	}, do("CONFIG SET stop-writes-on-bgsave-error no"), "MISCONF", true},
	{"NOAUTH", nil, func(r *rig.Redis) {
		do("CONFIG SET requirepass other")(r)
		r.Password = "other"
		do("CLIENT KILL TYPE normal", "CLIENT KILL TYPE pubsub")(r)
	}, func(r *rig.Redis) {
		r.Do("CONFIG", "SET", "requirepass", "")
		r.Password = ""
	}, "NOAUTH", true},
	{"HINCRBY", nil, do("ACL SETUSER default -hincrby"), do("ACL SETUSER default +hincrby"), "(HINCRBY)", false},
	{"HDEL", nil, do("ACL SETUSER default -hdel"), do("ACL SETUSER default +hdel"), "(HDEL)", false},
	{"PUBLISH", nil, do("ACL SETUSER default -publish"), do("ACL SETUSER default +publish"), "(PUBLISH)", true},
}

// While Redis refuses what an instance needs, the instance serves its own users,
// says once why, and joins again by itself.
func TestRedisRefuses(t *testing.T) {
	for _, fault := range refusals {
		if fault.long && !*long {
			continue
		}
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			redis := rig.StartRedis(t, fault.args...)
			nodes := rig.StartNodes(t, redis, 2, "LOG_LEVEL=info")
			clients := make(map[string]*rig.Client)
			join := func(n int, name string) {
				t.Helper()
				clients[name] = rig.MustDial(t, nodes[n].Addr, rig.Oodaa)
				begun := time.Now()
				mustRegister(t, clients[name], name)
				if took := time.Since(begun); took > inTime {
					t.Errorf("%s is registered after %v", name, took)
				}
			}
			relay := func(from, to string) (answer string) {
				t.Helper()
				answer, err := ask(clients[from], to, `1`)
				if err != nil {
					t.Fatal(err)
				}
				return answer
			}
			join(0, "a")
			join(1, "c")
			rig.Eventually(t, "a reaches c", func() bool { return relay("a", "c") == `{"ok":true}` })

			fault.begin(redis)
			join(0, "b")
			join(1, "e")
			clients["c"].Close() // whom Redis does not let go, with HDEL
			for i, s := range nodes {
				rig.Eventually(t, fmt.Sprint(i, " degraded"), func() bool {
					var ready struct{ Status string }
					status, err := s.Get("/ready", &ready)
					return err == nil && status == 200 && ready.Status == "degraded"
				})
			}
			if answer := relay("a", "b"); answer != `{"ok":true}` {
				t.Errorf("a does not reach b on the same instance: %s", answer)
			}
			join(0, "d")
			if answer := relay("d", "a"); answer != `{"ok":true}` {
				t.Errorf("d does not reach a on the same instance: %s", answer)
			}
			fault.heal(redis)
			for _, s := range nodes {
				rig.AwaitReady(t, s)
			}
			rig.Eventually(t, "d reaches e", func() bool { return relay("d", "e") == `{"ok":true}` })
			rig.Eventually(t, "e knows that c has left", func() bool { return relay("e", "c") != `{"ok":true}` })
			for i, s := range nodes {
				lines := s.Log.Lines("serving local users only")
				if len(lines) != 1 || !strings.Contains(lines[0], "Redis refuses") || !strings.Contains(lines[0], fault.reason) {
					t.Errorf("instance %d has not logged once that Redis refuses, with %q:\n%s", i, fault.reason, strings.Join(lines, "\n"))
				}
			}
		})
	}
}

// An instance that Redis lets in, but not change anything, from the start on.
func TestRedisRefusesFromTheStart(t *testing.T) {
	t.Parallel()
	redis := rig.StartRedis(t)
	redis.Do("ACL", "SETUSER", "default", "-hincrby")
	s := rig.Start(t, "REDIS_URL="+redis.URL(), "LOG_LEVEL=info")
	a, b := rig.MustDial(t, s.Addr, rig.Oodaa), rig.MustDial(t, s.Addr, rig.Volli)
	mustRegister(t, a, "a")
	mustRegister(t, b, "b")
	if answer, err := ask(a, "b", `1`); err != nil || answer != `{"ok":true}` {
		t.Errorf("%s, %v", answer, err)
	}
	var ready struct{ Status string }
	if status, err := s.Get("/ready", &ready); err != nil || status != 200 || ready.Status != "degraded" {
		t.Errorf("/ready: %d %s, %v", status, ready.Status, err)
	}
	redis.Do("ACL", "SETUSER", "default", "+hincrby")
	rig.AwaitReady(t, s)
	if n := len(s.Log.Lines("Redis refuses")); n != 1 {
		t.Errorf("it is logged %d times that Redis refuses", n)
	}
}

// An instance that is not let in says so, and is not ready.
func TestRedisWrongPassword(t *testing.T) {
	t.Parallel()
	redis := rig.StartRedis(t)
	redis.Do("CONFIG", "SET", "requirepass", "right")
	s := rig.Start(t, "REDIS_URL=redis://:hunter2@"+redis.Addr, "LOG_LEVEL=info")
	line := s.Log.Await(t, "Redis refuses what the cluster needs, serving local users only, retrying", s.Exited())
	if reason := fmt.Sprint(line["reason"]); !strings.Contains(reason, "WRONGPASS") {
		t.Errorf("reason: %s", reason)
	}
	var ready struct{ Status string }
	if status, err := s.Get("/ready", &ready); err != nil || status != 503 {
		t.Errorf("/ready: %d %s, %v", status, ready.Status, err)
	}
	if s.Log.Has("hunter2") {
		t.Errorf("the password is logged:\n%s", s.Log.Tail())
	}
}

// A Redis that reads its data from the disk after a restart refuses everything until
// it has. What it read is out of date, and does no harm.
func TestRedisLoading(t *testing.T) {
	t.Parallel()
	if !*long {
		t.Skip("with -long")
	}
	redis := rig.StartRedis(t, "--dbfilename", "dump.rdb", "--rdbcompression", "no", "--key-load-delay", "300000", "--loading-process-events-interval-bytes", "1024")
	nodes := rig.StartNodes(t, redis, 2, "LOG_LEVEL=info")
	a, b := rig.MustDial(t, nodes[0].Addr, rig.Oodaa), rig.MustDial(t, nodes[1].Addr, rig.Oodaa)
	mustRegister(t, a, "a")
	mustRegister(t, b, "b")
	for i := range 20 {
		redis.Do("SET", fmt.Sprint("fill", i), strings.Repeat("x", 4096))
	}
	if answer := redis.Do("SAVE"); answer != "+OK\r\n" {
		t.Fatal(answer)
	}
	redis.Kill()
	redis.Start() // until it has loaded
	for i, s := range nodes {
		rig.AwaitReady(t, s)
		lines := s.Log.Lines("serving local users only")
		if len(lines) != 1 || !strings.Contains(lines[0], "Redis refuses") || !strings.Contains(lines[0], "LOADING") {
			t.Errorf("instance %d has not logged once that Redis is loading:\n%s", i, strings.Join(lines, "\n"))
		}
	}
	rig.Eventually(t, "a reaches b", func() bool {
		answer, err := ask(a, "b", `1`)
		if err != nil {
			t.Fatal(err)
		}
		return answer == `{"ok":true}`
	})
}
