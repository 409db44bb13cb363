package cluster

import (
	"net/http"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// The limit on requests of one client is one for all instances, and each
// instance's own while Redis is away.
func TestSharedRateLimit(t *testing.T) {
	redis := rig.StartRedis(t)
	nodes := rig.StartNodes(t, redis, 2, "RATE_LIMIT=20")
	get := func(s *rig.Server) int {
		t.Helper()
		var index struct{ Name, Error string }
		status, err := s.Get("/", &index)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	passed := 0
	for i := range 60 {
		if get(nodes[i%2]) == http.StatusOK {
			passed++
		}
	}
	// At the turn of the minute, some more.
	if passed < 20 || passed > 40 {
		t.Errorf("%d requests passed of a limit of 20", passed)
	}
	for i, s := range nodes {
		if status := get(s); status != http.StatusTooManyRequests {
			t.Errorf("instance %d: %d", i, status)
		}
	}
	redis.Kill()
	if status := get(nodes[0]); status == http.StatusInternalServerError {
		t.Errorf("without Redis: %d", status)
	}
}
