package measure

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gobwas/ws"
)

// A Client is an Oodaa client over WebSocket. One goroutine uses it.
type Client struct {
	ID string // as it is registered

	nc  net.Conn
	in  *bufio.Reader
	buf []byte
	out []byte // frames that are not written yet
}

// Dial connects a client to addr.
func Dial(ctx context.Context, addr string) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{})}
	nc, early, _, err := dialer.Dial(ctx, "ws://"+addr+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Client{nc: nc, in: early}
	if c.in == nil {
		c.in = bufio.NewReaderSize(nc, 16<<10)
	}
	if err = nc.SetDeadline(time.Now().Add(Patience)); err == nil {
		c.Queue([]byte("40"))
		_, err = c.Await([]byte("40"))
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

// Close ends the connection, without a word.
func (c *Client) Close() { _ = c.nc.Close() }

// Leave ends the connection as a client does that leaves. It returns when the
// server has closed it.
func (c *Client) Leave() error {
	c.frame(ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	err := c.Flush()
	for err == nil {
		_, err = c.Next()
	}
	c.Close()
	if errors.Is(err, errClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Register gives the client a name, and waits for the user list.
func (c *Client) Register(id string) error {
	c.ID = id
	c.Queue([]byte(`42["register",{"userId":"` + id + `"}]`))
	if _, err := c.Await([]byte(`42["user-list"`)); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// Users is how many others the server names.
func (c *Client) Users() (int, error) {
	c.Queue([]byte(`42["get-users"]`))
	list, err := c.Await([]byte(`42["user-list"`))
	return bytes.Count(list[min(len(list), len(`42["user-list",{"users":`)):], []byte(`"`)) / 2, err
}

// Await returns the next message that begins with prefix.
func (c *Client) Await(prefix []byte) ([]byte, error) {
	for {
		message, err := c.Next()
		if err != nil || bytes.HasPrefix(message, prefix) {
			return message, err
		}
		if bytes.HasPrefix(message, []byte(`42["error"`)) || bytes.HasPrefix(message, []byte("44")) {
			return nil, fmt.Errorf("the server answers %s", message)
		}
	}
}

var errClosed = errors.New("closed by the server")

// Next returns the next message that is no heartbeat; those it answers. It is
// valid until the next call. Before Next waits, it writes what is queued.
func (c *Client) Next() ([]byte, error) {
	for {
		if c.in.Buffered() == 0 {
			if err := c.Flush(); err != nil {
				return nil, err
			}
		}
		h, err := ws.ReadHeader(c.in)
		if err != nil {
			return nil, err
		}
		if int64(cap(c.buf)) < h.Length {
			c.buf = make([]byte, h.Length)
		}
		message := c.buf[:h.Length]
		if _, err := io.ReadFull(c.in, message); err != nil {
			return nil, err
		}
		switch {
		case h.OpCode == ws.OpClose:
			return nil, errClosed
		case h.OpCode == ws.OpPing:
			c.frame(ws.OpPong, message)
		case h.OpCode == ws.OpText && string(message) == "2":
			c.Queue([]byte("3"))
		case h.OpCode == ws.OpText:
			return message, nil
		}
	}
}

// Queue adds a message to what is to be written.
func (c *Client) Queue(message []byte) { c.frame(ws.OpText, message) }

func (c *Client) frame(op ws.OpCode, payload []byte) {
	h := ws.Header{Fin: true, OpCode: op, Masked: true, Mask: ws.NewMask(), Length: int64(len(payload))}
	var head bytes.Buffer
	_ = ws.WriteHeader(&head, h) // into memory
	c.out = append(append(c.out, head.Bytes()...), payload...)
	ws.Cipher(c.out[len(c.out)-len(payload):], h.Mask, 0)
}

// Flush writes what is queued.
func (c *Client) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Deadline ends whatever the client does at that time.
func (c *Client) Deadline(t time.Time) error { return c.nc.SetDeadline(t) }
