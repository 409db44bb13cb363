package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// A load is one measurement of one server.
type load struct {
	addr                      string
	pid                       int
	pairs, size, window, idle int
	warm, measure             time.Duration
	relayed                   atomic.Int64
}

// A result is what it found out: CPU of the server per message, or resident
// bytes per idle connection, as they stand and after a garbage collection.
type result struct {
	Messages int64
	CPU      float64 // µs
	RSS      float64 // KB
	Held     float64 // KB
}

func (l *load) run(w io.Writer) error {
	measure := l.relays
	if l.idle > 0 {
		measure = l.idling
	}
	res, err := measure()
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(res)
}

func (l *load) idling() (res result, err error) {
	before, err := l.settledRSS()
	if err != nil {
		return res, err
	}
	conns, err := l.dialAll(l.idle)
	defer closeAll(conns)
	if err != nil {
		return res, err
	}
	time.Sleep(500 * time.Millisecond)
	after, err := procRSS(l.pid)
	if err != nil {
		return res, err
	}
	held, err := l.settledRSS()
	n := float64(l.idle)
	return result{RSS: (after - before) / n, Held: (held - before) / n}, err
}

func (l *load) settledRSS() (float64, error) {
	resp, err := http.Get("http://" + l.addr + "/settle")
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return procRSS(l.pid)
}

func (l *load) relays() (res result, err error) {
	conns, err := l.dialAll(2 * l.pairs)
	defer closeAll(conns)
	if err != nil {
		return res, err
	}
	var wg sync.WaitGroup // ends when the connections are closed
	var over atomic.Bool
	failed := make(chan error, len(conns))
	for id, conn := range conns {
		wg.Go(func() {
			if err := l.client(conn, id); !over.Load() {
				failed <- fmt.Errorf("connection %d: %w", id, err)
			}
		})
	}
	time.Sleep(l.warm)
	n0, cpu0, err0 := l.sample()
	time.Sleep(l.measure)
	n1, cpu1, err1 := l.sample()
	over.Store(true)
	closeAll(conns)
	wg.Wait()
	close(failed)
	if err := errors.Join(err0, err1, <-failed); err != nil {
		return res, err
	}
	if n1 == n0 {
		return res, errors.New("nothing was relayed")
	}
	return result{Messages: n1 - n0, CPU: float64((cpu1 - cpu0).Microseconds()) / float64(n1-n0)}, nil
}

func (l *load) sample() (int64, time.Duration, error) {
	n := l.relayed.Load()
	cpu, err := procCPU(l.pid)
	return n, cpu, err
}

// client answers each message with the next of its own until the connection
// ends. It checks every message: right pair, right order, right bytes.
func (l *load) client(conn net.Conn, id int) error {
	fill := strings.Repeat("abcdefghijklmnop", l.size/16+1)
	message := func(seq int) []byte { return fmt.Appendf(nil, "%04d:%08d:%s", id/2, seq, fill)[:l.size] }
	mine, theirs := message(0), message(0)
	var sent, got int
	var out []byte
	next := func() {
		setSeq(mine, sent)
		sent++
		var head [10]byte
		n := putHeader(&head, ws.OpText, len(mine))
		head[1] |= 0x80
		mask := ws.NewMask()
		out = append(append(append(out, head[:n]...), mask[:]...), mine...)
		ws.Cipher(out[len(out)-len(mine):], mask, 0)
	}
	if id%2 == 0 {
		for range l.window {
			next()
		}
	}
	buf := make([]byte, 0, 64<<10)
	for {
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		n, err := conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+n]
		b := buf
		for {
			h, head := parseHeader(b)
			if head == 0 || head+int(h.Length) > len(b) {
				break
			}
			setSeq(theirs, got)
			got++
			if h.OpCode != ws.OpText || !bytes.Equal(theirs, b[head:head+int(h.Length)]) {
				return fmt.Errorf("wrong message: %+v %.20q, want %.20q", h, b[head:], theirs)
			}
			b = b[head+int(h.Length):]
			l.relayed.Add(1)
			next()
		}
		buf = buf[:copy(buf[:cap(buf)], b)]
	}
}

func setSeq(m []byte, seq int) {
	for i := 12; i >= 5; i-- {
		m[i] = '0' + byte(seq%10)
		seq /= 10
	}
}

// dialAll opens n connections and waits until each is seated.
func (l *load) dialAll(n int) ([]net.Conn, error) {
	conns, errs := make([]net.Conn, n), make([]error, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				conns[i], errs[i] = l.dial(i)
			}
		})
	}
	wg.Wait()
	return conns, errors.Join(errs...)
}

func (l *load) dial(id int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, br, _, err := ws.Dial(ctx, "ws://"+l.addr+"/ws?"+strconv.Itoa(id))
	if err != nil {
		return nil, err
	}
	var r io.Reader = conn
	if br != nil {
		r = br
	}
	hello := make([]byte, len("\x81\x05hello"))
	_, err = io.ReadFull(r, hello)
	if err == nil && (br != nil && br.Buffered() > 0 || string(hello) != "\x81\x05hello") {
		err = fmt.Errorf("wrong hello %q", hello)
	}
	return conn, err
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}

// procCPU is the user and system time of a process, in ticks of 10 ms.
func procCPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return 0, errors.New("short stat")
	}
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// procRSS is the resident memory of a process in KB.
func procRSS(pid int) (kb float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	_, err = fmt.Sscan(rest, &kb)
	return kb, err
}
