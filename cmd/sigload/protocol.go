package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A protocol is what one family of clients speaks.
type protocol struct {
	name, path string
	engineIO   bool // there are Engine.IO's pings, and a handshake to do

	registered []byte // how the answer to a registration begins
	failed     []byte // how an error begins
	joined     []byte // how the news of another user begins; the name follows
	watching   []byte // how the answer to a list of users to watch begins
}

var protocols = []*protocol{
	{
		name: "socketio", path: "/socket.io/?EIO=4&transport=websocket", engineIO: true,
		registered: []byte(`42["user-list",`),
		failed:     []byte(`42["error",`),
		joined:     []byte(`42["peer-connected",{"peerId":"`),
		watching:   []byte(`42["user-list",`),
	},
	{
		name: "volli", path: "/signaling",
		registered: []byte(`{"type":"registered","success":true,`),
		failed:     []byte(`{"type":"error","message":`),
		watching:   []byte(`{"type":"presence-list",`),
	},
}

// open makes a new connection one that can register.
func (p *protocol) open(c *conn) error {
	if !p.engineIO {
		return nil
	}
	if err := p.await(c, []byte("0{")); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if err := c.send([]byte("40")); err != nil {
		return err
	}
	if err := p.await(c, []byte("40")); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// register gives the connection a name.
func (p *protocol) register(c *conn, id string) error {
	if err := c.send(p.registration(id)); err != nil {
		return err
	}
	if err := p.await(c, p.registered); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

func (p *protocol) registration(id string) []byte {
	if p.engineIO {
		return []byte(`42["register",{"userId":"` + id + `"}]`)
	}
	return []byte(`{"type":"register","userId":"` + id + `","publicKey":"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="}`)
}

// watch has the connection watch users.
func (p *protocol) watch(c *conn, ids []string) error {
	head, tail := `{"type":"watch","userIds":["`, `"]}`
	if p.engineIO {
		head, tail = `42["watch-users",{"users":["`, `"]}]`
	}
	if err := c.send([]byte(head + strings.Join(ids, `","`) + tail)); err != nil {
		return err
	}
	if err := p.await(c, p.watching); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

// await reads up to the message that begins with prefix.
func (p *protocol) await(c *conn, prefix []byte) error {
	for {
		message, err := p.next(c)
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(message, prefix):
			return nil
		case bytes.HasPrefix(message, []byte("44")): // Socket.IO's CONNECT_ERROR
			return errors.New("refused: " + string(message[2:]))
		case bytes.HasPrefix(message, p.failed):
			return errors.New(p.errorText(message))
		}
	}
}

// next returns the next message that is not a ping, and answers pings.
func (p *protocol) next(c *conn) ([]byte, error) {
	for {
		message, err := c.next()
		if err != nil || !p.engineIO || string(message) != "2" {
			return message, err
		}
		c.queue(1, []byte("3"))
	}
}

// errorText is the text of an error message.
func (p *protocol) errorText(message []byte) string {
	text := strings.TrimRight(string(message[len(p.failed):]), "]}")
	if s, err := strconv.Unquote(text); err == nil {
		return s
	}
	return text
}

// A template is a message that is sent again and again, and what it is
// received as, with room for a number in both.
type template struct {
	sent, received     []byte
	sentAt, receivedAt int // where the number is
	event, body        string
	bodyAt             int // where the number is in body
}

// digits is how long the number is.
const digits = 10

// template makes the message from one user to another. raw: it is received as
// it was sent.
func (p *protocol) template(from, to string, b body, raw bool) *template {
	t := &template{event: b.event, body: b.text, bodyAt: b.numberAt}
	if p.engineIO {
		t.sent = fmt.Appendf(nil, `42["%s",{"to":"%s","from":"%s","%s":`, b.event, to, from, b.key)
		t.received = fmt.Appendf(nil, `42["%s",{"from":"%s","%s":`, b.event, from, b.key)
	} else {
		t.sent = fmt.Appendf(nil, `{"type":"%s","from":"%s","to":"%s","%s":`, b.event, from, to, b.key)
		raw = true
	}
	if raw {
		t.received = t.sent
	}
	end := "}"
	if p.engineIO {
		end = "}]"
	}
	t.sentAt, t.receivedAt = len(t.sent)+b.numberAt, len(t.received)+b.numberAt
	t.sent = []byte(string(t.sent) + b.text + end)
	t.received = []byte(string(t.received) + b.text + end)
	return t
}

// number is the number in a message like t, or -1 if message is none such. It
// tolerates what the fast comparison in receiver does not: other spacing, and
// other fields around the body.
func (t *template) number(message []byte) int64 {
	if !bytes.Contains(message, []byte(`"`+t.event+`"`)) {
		return -1
	}
	before := t.body[:t.bodyAt]
	at := bytes.Index(message, []byte(before))
	if at < 0 || len(message) < at+len(before)+digits {
		return -1
	}
	text := message[at+len(before):][:digits]
	n, err := strconv.ParseUint(string(text), 10, 63)
	if err != nil {
		return -1
	}
	return int64(n)
}

// intact reports whether message holds the body of t with number n, byte for byte.
func (t *template) intact(message []byte, n int64) bool {
	b := []byte(t.body)
	putNumber(b[t.bodyAt:], n)
	return bytes.Contains(message, b)
}

func putNumber(dst []byte, n int64) {
	u := uint64(n)
	for i := digits - 1; i >= 0; i-- {
		dst[i] = '0' + byte(u%10)
		u /= 10
	}
}
