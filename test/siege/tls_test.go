package siege

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"time"
)

// tlsStrategies are ways to spend the resources of a server that does TLS.
var tlsStrategies = []strategy{
	{"hellos that never end", withholding(hello)},
	{"hellos byte by byte", dripping(hello)},
	{"handshakes that are broken off", func(a *attacker) {
		l, whole, err := hello(a)
		if err != nil {
			return
		}
		defer l.Close()
		if _, err := l.Write(whole); err == nil {
			_, _ = l.r.ReadByte() // the server has done its part
		}
	}},
	{"records that never end", withholding(record)},
	{"records byte by byte", dripping(record)},
	{"records of one byte", func(a *attacker) {
		l, _, err := a.overTLS()
		if err != nil {
			return
		}
		defer l.Close()
		l.discard()
		for {
			for _, b := range frame(true, 9, strings.Repeat("x", 125)) {
				if _, err := l.Write([]byte{b}); err != nil {
					return
				}
				runtime.Gosched() // they would wait behind this, too
			}
		}
	}},
}

var trusting = &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true}

// computing is full while an attacker computes a handshake. Those who behave are
// clients of the same process, and would wait behind a thousand that do.
var computing = make(chan struct{}, 1)

// A catcher is below an attacker's TLS. Once it is on, it keeps what TLS writes.
type catcher struct {
	net.Conn
	shaking bool // computing is this attacker's, except while it reads
	on      bool
	caught  []byte
}

func (c *catcher) handshake(nc *tls.Conn) error {
	computing <- struct{}{}
	c.shaking = true
	defer func() {
		c.shaking = false
		<-computing
	}()
	return nc.Handshake()
}

func (c *catcher) Write(p []byte) (int, error) {
	if !c.on {
		return c.Conn.Write(p)
	}
	c.caught = append(c.caught, p...)
	return len(p), nil
}

func (c *catcher) Read(p []byte) (int, error) {
	if c.on {
		return 0, io.EOF
	}
	if c.shaking {
		<-computing
		defer func() { computing <- struct{}{} }()
	}
	return c.Conn.Read(p)
}

// hello opens a connection, and returns the first record of a handshake.
func hello(a *attacker) (*link, []byte, error) {
	l, err := a.dial()
	if err != nil {
		return nil, nil, err
	}
	c := &catcher{Conn: l, on: true}
	_ = c.handshake(tls.Client(c, trusting)) // gets no answer
	return l, c.caught, nil
}

// record opens a Volli client's connection, and returns a record of the largest size.
func record(a *attacker) (*link, []byte, error) {
	l, c, err := a.overTLS()
	if err != nil {
		return nil, nil, err
	}
	c.on = true
	_, err = l.Write(text(strings.Repeat("x", 16_000)))
	c.on = false
	return &link{Conn: c, r: l.r, toll: new(toll)}, c.caught, err
}

// overTLS opens a Volli client's connection. What is below TLS counts.
func (a *attacker) overTLS() (*link, *catcher, error) {
	below, err := a.dial()
	if err != nil {
		return nil, nil, err
	}
	c := &catcher{Conn: below}
	nc := tls.Client(c, trusting)
	l := &link{Conn: nc, r: bufio.NewReader(nc), toll: new(toll)}
	err = c.handshake(nc)
	if err == nil {
		err = l.upgrade(volli)
	}
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	return l, c, nil
}

// several is over how many connections an attacker sends slowly.
const several = 20

// withholding sends all but the last byte, and waits.
func withholding(open func(*attacker) (*link, []byte, error)) func(*attacker) {
	return func(a *attacker) {
		for range several {
			l, whole, err := open(a)
			if err != nil {
				break
			}
			defer l.Close()
			_, _ = l.Write(whole[:len(whole)-1])
		}
		<-a.ctx.Done()
	}
}

// dripping sends twenty bytes per second.
func dripping(open func(*attacker) (*link, []byte, error)) func(*attacker) {
	return func(a *attacker) {
		var links []*link
		var whole [][]byte
		for range several {
			l, bytes, err := open(a)
			if err != nil {
				break
			}
			defer l.Close()
			links, whole = append(links, l), append(whole, bytes)
		}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-a.ctx.Done():
				return
			case <-tick.C:
			}
			sent := false
			for n, l := range links {
				if i < len(whole[n])-1 {
					_, err := l.Write(whole[n][i : i+1])
					sent = sent || err == nil
				}
			}
			if !sent {
				return
			}
		}
	}
}
