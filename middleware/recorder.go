package middleware

import (
	"bufio"
	"net"
	"net/http"
)

// recorder remembers what became of an answer. Unlike chi's wrapper it also
// knows that the connection was hijacked. It is used by the handler's goroutine
// only, and nothing refers to it once the handler has returned.
type recorder struct {
	http.ResponseWriter
	status   int // 0: no header written yet
	bytes    int64
	hijacked bool
}

// record wraps w, unless an outer handler of ours did already.
func record(w http.ResponseWriter) *recorder {
	if rec, ok := w.(*recorder); ok {
		return rec
	}
	return &recorder{ResponseWriter: w}
}

func (w *recorder) WriteHeader(status int) {
	informational := status < 200 && status != http.StatusSwitchingProtocols
	if w.status == 0 && !informational {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 && !w.hijacked {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Flush implements [http.Flusher].
func (w *recorder) Flush() { _ = w.FlushError() }

// FlushError is what [http.ResponseController] prefers to Flush.
func (w *recorder) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if err == nil && w.status == 0 {
		w.status = http.StatusOK
	}
	return err
}

// Hijack implements [http.Hijacker]. Where the connection cannot be hijacked,
// as in HTTP/2, it returns [http.ErrNotSupported].
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.hijacked = w.hijacked || err == nil
	return conn, rw, err
}

// Unwrap gives [http.ResponseController] the rest, such as deadlines.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
