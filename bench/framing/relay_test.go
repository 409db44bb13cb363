package main

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// TestRelay puts a short load on every variant; the client checks each byte.
func TestRelay(t *testing.T) {
	for _, variant := range variants {
		for _, size := range []int{20, 200, 3000, 60000} {
			lib, _, batch := strings.Cut(variant, " ")
			h, err := newHandler(lib, batch, 4096)
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewServer(h)
			l := load{addr: srv.Listener.Addr().String(), pid: os.Getpid(), pairs: 4, size: size, window: 8, measure: 100 * time.Millisecond}
			res, err := l.relays()
			if err != nil {
				t.Errorf("%s, %d bytes: %v", variant, size, err)
			}
			t.Logf("%s, %d bytes: %d messages", variant, size, res.Messages)
			srv.Close()
		}
	}
}
