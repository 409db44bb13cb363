package volli_test

import "github.com/oodaa/signaling/server/socketio"

// An engine is one that Socket.IO clients may be on.
type engine struct {
	name  string
	start func(socketio.Options) (socketio.Engine, error)
}

// engines are all of this build, the default one first.
var engines = []engine{
	{"native", func(opts socketio.Options) (socketio.Engine, error) { return socketio.New(opts), nil }},
}
