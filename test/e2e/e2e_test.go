// Package e2e holds the contract against the server from outside: the real
// binary, and the real JavaScript client.
package e2e

import (
	"testing"

	"github.com/oodaa/signaling/test/node"
	"github.com/oodaa/signaling/test/rig"
)

// modes are the ways in which clients reach a server; see modes.mjs.
var modes = []string{"websocket", "polling", "default", "zishang", "cluster", "three"}

// clustered are the cases that run in the mode "cluster", with the two clients
// of each on different instances: those that are about what clients do to each
// other.
var clustered = []string{
	"ack.test.mjs", "binary.test.mjs", "bytes.test.mjs", "order.test.mjs", "presence.test.mjs",
	"register.test.mjs", "relay.test.mjs", "takeover.test.mjs",
	"volli.test.mjs", "volli-families.test.mjs", "volli-mixed.test.mjs", "watch.test.mjs",
}

func TestMain(m *testing.M) { rig.Main(m) }

func TestContract(t *testing.T) {
	node.Require(t, "socket.io-client", "undici")
	binary := rig.Binary(t, true)
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			env := []string{"MODE=" + mode, "SIGNALD=" + binary}
			var cases []string // all of them
			switch mode {
			case "cluster":
				env = append(env, "REDIS_URL="+rig.StartRedis(t).URL())
				cases = clustered
			case "three": // for what each instance has to know of both others
				env = append(env, "REDIS_URL="+rig.StartRedis(t).URL())
				cases = []string{"watch.test.mjs"}
			}
			node.Run(t, 3, env, cases...)
		})
	}
}
