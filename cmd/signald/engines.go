package main

import (
	"fmt"
	"slices"

	"github.com/oodaa/signaling/server/socketio"
)

// An engine is a Socket.IO engine that this build has.
type engine struct {
	start   func(socketio.Options) (socketio.Engine, error)
	polling bool // offers long-polling beside WebSocket
}

// defaultEngine is the one that every build has.
const defaultEngine = "native"

// engines are those that this build has, by the values of ENGINE.
var engines = map[string]engine{
	defaultEngine: {
		start:   func(opts socketio.Options) (socketio.Engine, error) { return socketio.New(opts), nil },
		polling: true,
	},
}

// engineTags are the build tags that add an engine of the same name, each in a
// file of its own. What they bring into the binary is only for users who ask for it.
var engineTags = []string{"zishang"}

// setEngine selects an engine, or says how to get a binary that has it.
func (c *config) setEngine(name string) error {
	e, found := engines[name]
	switch {
	case found:
		c.engine, c.Engine = name, e.start
		return nil
	case slices.Contains(engineTags, name):
		return fmt.Errorf("this binary was built without it: build with `-tags %[1]s` (make build TAGS=%[1]s; docker build --build-arg TAGS=%[1]s .)", name)
	}
	return oneOf(name, append([]string{defaultEngine}, engineTags...)...)
}

// offersPolling reports whether Socket.IO clients may use long-polling.
func (c *config) offersPolling() bool { return c.Polling && engines[c.engine].polling }
