package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/oodaa/signaling/server/socketio"
)

// setEngines replaces the engines of this build, until the test ends, with the
// default one and those of some build tags. The latter cannot be started.
func setEngines(t *testing.T, tags ...string) {
	t.Helper()
	built := engines
	t.Cleanup(func() { engines = built })
	engines = map[string]engine{defaultEngine: built[defaultEngine]}
	for _, tag := range tags {
		engines[tag] = engine{start: func(socketio.Options) (socketio.Engine, error) { panic("started") }}
	}
}

func TestEngineThatTheBinaryLacks(t *testing.T) {
	setEngines(t)
	err := run(context.Background(), nil, environment{"ENGINE=zishang", "PORT=x"}, io.Discard, io.Discard)
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{"ENGINE=", "-tags zishang", "make build TAGS=zishang", "docker build --build-arg TAGS=zishang", "PORT="} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestEngineWithoutPolling(t *testing.T) {
	setEngines(t, "zishang")
	if out := check(t, map[string]string{"ENGINE": "zishang"}); !strings.Contains(out, "zishang, websocket\n") {
		t.Errorf("polling is reported as offered:\n%s", out)
	}
}
