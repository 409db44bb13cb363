package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestWebSocketHandshake(t *testing.T) {
	s := hurried(t)
	c := s.dial("EIO=4&transport=websocket")
	packet := c.next()
	o := parseOpen(t, packet)
	want := fmt.Sprintf(`0{"sid":"%s","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}`, o.SID)
	if packet != want || o.SID == "" {
		t.Errorf("%s, want %s", packet, want)
	}
	if ws, polling := s.handler.engineIO.Connections(); ws != 1 || polling != 0 {
		t.Errorf("%d, %d connections", ws, polling)
	}
}

func TestWebSocketMessages(t *testing.T) {
	c := engineIO(t).websocket()
	for _, text := range []string{"hello", "", "€ \U0001f600", "a\x1eb", strings.Repeat("x", maxPayload-1)} {
		c.send("4" + text)
		c.expect("4" + text)
	}
	for _, b := range []string{"\x01\x02\x03\x04", "", "4hello", "\xff\xfe", strings.Repeat("\x00", maxPayload)} {
		c.sendBinary(b)
		c.expect("b:" + b)
	}
	for i := range 1000 {
		if i%3 == 0 {
			c.sendBinary(fmt.Sprint(i))
		} else {
			c.send(fmt.Sprint("4", i))
		}
	}
	for i := range 1000 {
		if i%3 == 0 {
			c.expect(fmt.Sprint("b:", i))
		} else {
			c.expect(fmt.Sprint("4", i))
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
		"base64":                "bAQI=",
	} {
		t.Run(name, func(t *testing.T) {
			s := engineIO(t)
			c := s.websocket()
			c.send("4before", packet, "4after")
			c.expect("4before")
			c.closed()
			s.gone()
		})
	}
}

func TestWebSocketTooLarge(t *testing.T) {
	s := engineIO(t)
	c := s.websocket()
	c.send("4before", "4"+strings.Repeat("x", maxPayload))
	c.expect("4before")
	if code := c.closed(); code != websocket.CloseMessageTooBig {
		t.Errorf("closed with %d", code)
	}
	s.gone()
}

func TestWebSocketClose(t *testing.T) {
	t.Run("packet", func(t *testing.T) {
		s := engineIO(t)
		c := s.websocket()
		c.send("1")
		c.closed()
		s.gone()
	})
	t.Run("frame", func(t *testing.T) {
		s := engineIO(t)
		c := s.websocket()
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
		if code := c.closed(); code != websocket.CloseNormalClosure {
			t.Errorf("closed with %d", code)
		}
		s.gone()
	})
	t.Run("connection lost", func(t *testing.T) {
		s := engineIO(t)
		s.websocket().Close()
		s.gone()
	})
}
