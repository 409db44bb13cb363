package cluster

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/test/rig"
)

// leastRights are those that docs/redis.md lists, for a prefix and password.
func leastRights(t *testing.T, prefix, password string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, rights, ok := strings.Cut(line, "ACL SETUSER signaling "); ok {
			return strings.Fields(strings.NewReplacer("oodaa:", prefix, "PASSWORD", password, "'", "").Replace(rights))
		}
	}
	t.Fatal("docs/redis.md lists no rights")
	return nil
}

// With the rights of docs/redis.md an instance joins. Without any one of them
// it says so, and joins once it is granted.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	redis := rig.StartRedis(t)
	rights := leastRights(t, "test:", "pw")
	redis.Do(append([]string{"ACL", "SETUSER", "signaling"}, rights...)...)
	url := "redis://signaling:pw@" + redis.Addr
	var missing []string
	for _, right := range rights {
		if command, ok := strings.CutPrefix(right, "+"); ok {
			missing = append(missing, command)
		}
	}
	if !slices.Contains(missing, "hincrby") {
		t.Fatalf("rights: %v", rights)
	}
	for _, command := range missing {
		if answer := redis.Do("ACL", "SETUSER", "signaling", "-"+command); answer != "+OK\r\n" {
			t.Fatalf("%s: %s", command, answer)
		}
		c, log := startLogged(t, url)
		rig.Eventually(t, "lost without "+command, func() bool { return c.Status().Lost != "" })
		if answer := redis.Do("ACL", "SETUSER", "signaling", "+"+command); answer != "+OK\r\n" {
			t.Fatalf("%s: %s", command, answer)
		}
		rig.Eventually(t, "joined with "+command, func() bool { return c.Status().Lost == "" })
		c.Close(t.Context())
		text := log.String()
		if strings.Count(text, "Redis refuses") != 1 || !strings.Contains(strings.ToUpper(text), strings.ToUpper(command)) {
			t.Errorf("without %s:\n%s", command, text)
		}
	}
	for name := range strings.FieldsSeq(redis.Do("KEYS", "test:rights*")) {
		if strings.HasPrefix(name, "test:") {
			t.Errorf("left behind: %s", name)
		}
	}
}

// locked is a buffer that may be read while it is written to.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startLogged(t *testing.T, url string) (*Cluster, *locked) {
	t.Helper()
	address, err := ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	log := new(locked)
	c := New(Options{Redis: address, Prefix: "test:", Name: "n", Presence: true, Log: slog.New(slog.NewTextHandler(log, nil))})
	h := hub.New(hub.Options{Presence: true, Cluster: c})
	t.Cleanup(h.Close)
	c.Start(h)
	return c, log
}
