package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/test/rig/engineio"
)

func TestWebSocketHandshake(t *testing.T) {
	s := hurried(t)
	c := s.Dial("")
	packet := c.Next()
	o := engineio.ParseOpen(t, packet)
	want := fmt.Sprintf(`0{"sid":"%s","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}`, o.SID)
	if packet != want || o.SID == "" {
		t.Errorf("%s, want %s", packet, want)
	}
	if ws, polling := s.handler.engineIO.Connections(); ws != 1 || polling != 0 {
		t.Errorf("%d, %d connections", ws, polling)
	}
}

func TestWebSocketMessages(t *testing.T) {
	c := engineIO(t).OpenWebSocket()
	for _, text := range []string{"hello", "", "€ \U0001f600", "a\x1eb", strings.Repeat("x", maxPayload-1)} {
		c.Send("4" + text)
		c.Expect("4" + text)
	}
	for _, b := range []string{"\x01\x02\x03\x04", "", "4hello", "\xff\xfe", strings.Repeat("\x00", maxPayload)} {
		c.Send("b:" + b)
		c.Expect("b:" + b)
	}
	for i := range 1000 {
		if i%3 == 0 {
			c.Send(fmt.Sprint("b:", i))
		} else {
			c.Send(fmt.Sprint("4", i))
		}
	}
	for i := range 1000 {
		if i%3 == 0 {
			c.Expect(fmt.Sprint("b:", i))
		} else {
			c.Expect(fmt.Sprint("4", i))
		}
	}
}

func TestWebSocketInvalidPackets(t *testing.T) {
	for name, packet := range map[string]string{
		"unknown type":          "abc",
		"type 7":                "7",
		"empty":                 "",
		"client ping":           "2",
		"client ping with data": "2probe",
	} {
		t.Run(name, func(t *testing.T) {
			s := engineIO(t)
			c := s.OpenWebSocket()
			c.Send("4before", packet, "4after")
			c.Expect("4before")
			c.Closed()
			s.gone()
		})
	}
}

func TestWebSocketTooLarge(t *testing.T) {
	s := engineIO(t)
	c := s.OpenWebSocket()
	c.Send("4before", "4"+strings.Repeat("x", maxPayload))
	c.Expect("4before")
	if code := c.Closed(); code != websocket.CloseMessageTooBig {
		t.Errorf("closed with %d", code)
	}
	s.gone()
}

func TestWebSocketClose(t *testing.T) {
	t.Run("packet", func(t *testing.T) {
		s := engineIO(t)
		c := s.OpenWebSocket()
		c.Send("1")
		c.Closed()
		s.gone()
	})
	t.Run("frame", func(t *testing.T) {
		s := engineIO(t)
		c := s.OpenWebSocket()
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
		if code := c.Closed(); code != websocket.CloseNormalClosure {
			t.Errorf("closed with %d", code)
		}
		s.gone()
	})
	t.Run("connection lost", func(t *testing.T) {
		s := engineIO(t)
		s.OpenWebSocket().Close()
		s.gone()
	})
}
