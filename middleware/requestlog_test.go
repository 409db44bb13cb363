package middleware

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	chimw "github.com/go-chi/chi/v5/middleware"
)

// lockedBuffer is written to by servers' goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// logTo returns a logger and a func that returns its lines so far.
func logTo(level slog.Level) (*slog.Logger, func(*testing.T) []map[string]any) {
	var buf lockedBuffer
	log := slog.New(slog.NewJSONHandler(&buf, &slog.HandlerOptions{Level: level}))
	return log, func(t *testing.T) (lines []map[string]any) {
		t.Helper()
		for dec := json.NewDecoder(strings.NewReader(buf.String())); ; {
			var line map[string]any
			if err := dec.Decode(&line); err == io.EOF {
				return lines
			} else if err != nil {
				t.Fatal(err)
			}
			delete(line, "time")
			lines = append(lines, line)
		}
	}
}

func TestRequestLog(t *testing.T) {
	quiet := func(r *http.Request) bool { return r.URL.Path == "/health" }
	write := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(1500 * time.Millisecond)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := []struct {
		name    string
		enabled slog.Level
		target  string
		handler http.HandlerFunc
		want    string // "" for no line
	}{
		{"normal", slog.LevelInfo, "/stats?token=secret", write(200, "hello"),
			`{"level":"INFO","msg":"request answered","method":"GET","path":"/stats","status":200,"bytes":5,"duration_ms":1500}`},
		{"nothing written", slog.LevelInfo, "/", func(http.ResponseWriter, *http.Request) {},
			`{"level":"INFO","msg":"request answered","method":"GET","path":"/","status":200,"bytes":0,"duration_ms":0}`},
		{"implicit status", slog.LevelInfo, "/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") },
			`{"level":"INFO","msg":"request answered","method":"GET","path":"/","status":200,"bytes":2,"duration_ms":0}`},
		{"first status counts", slog.LevelInfo, "/", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(404)
			w.WriteHeader(200)
		}, `{"level":"INFO","msg":"request answered","method":"GET","path":"/","status":404,"bytes":0,"duration_ms":0}`},
		{"server error", slog.LevelInfo, "/", write(502, ""),
			`{"level":"WARN","msg":"request answered","method":"GET","path":"/","status":502,"bytes":0,"duration_ms":1500}`},
		{"stopping", slog.LevelInfo, "/", write(503, ""),
			`{"level":"INFO","msg":"request answered","method":"GET","path":"/","status":503,"bytes":0,"duration_ms":1500}`},
		{"quiet, stopping", slog.LevelInfo, "/health", write(503, ""), ""},
		{"quiet", slog.LevelInfo, "/health", write(200, "ok"), ""},
		{"quiet, debug", slog.LevelDebug, "/health", write(304, ""),
			`{"level":"DEBUG","msg":"request answered","method":"GET","path":"/health","status":304,"bytes":0,"duration_ms":1500,"remote":"192.0.2.1"}`},
		{"quiet, client error", slog.LevelInfo, "/health", write(404, ""),
			`{"level":"INFO","msg":"request answered","method":"GET","path":"/health","status":404,"bytes":0,"duration_ms":1500}`},
		{"too many", slog.LevelInfo, "/", write(429, ""), ""},
		{"too many, debug", slog.LevelDebug, "/", write(429, ""),
			`{"level":"DEBUG","msg":"request answered","method":"GET","path":"/","status":429,"bytes":0,"duration_ms":1500,"remote":"192.0.2.1"}`},
		{"quiet, server error", slog.LevelInfo, "/health", write(500, ""),
			`{"level":"WARN","msg":"request answered","method":"GET","path":"/health","status":500,"bytes":0,"duration_ms":1500}`},
		{"not enabled", slog.LevelError, "/", write(503, ""), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, lines := logTo(tt.enabled)
				r := httptest.NewRequest(http.MethodGet, tt.target, nil)
				r.RemoteAddr = "192.0.2.1:5000"
				RequestLog(log, quiet)(tt.handler).ServeHTTP(httptest.NewRecorder(), r)
				checkLine(t, lines(t), tt.want)
			})
		})
	}
}

func TestRequestLogID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logTo(slog.LevelInfo)
		h := chimw.RequestID(RequestLog(log, nil)(ok))
		h.ServeHTTP(httptest.NewRecorder(), request("192.0.2.1:5000", "X-Request-Id", "abc-1"))
		checkLine(t, lines(t), `{"level":"INFO","msg":"request answered","method":"GET","path":"/","request_id":"abc-1","status":200,"bytes":0,"duration_ms":0}`)
	})
}

func TestRequestLogBoundsWhatClientsPutIn(t *testing.T) {
	log, lines := logTo(slog.LevelInfo)
	r := request("192.0.2.1:5000", "X-Request-Id", strings.Repeat("i", 5000))
	r.URL.Path, r.Method = "/"+strings.Repeat("p", 5000), strings.Repeat("M", 5000)
	chimw.RequestID(RequestLog(log, nil)(ok)).ServeHTTP(httptest.NewRecorder(), r)
	for _, key := range []string{"method", "path", "request_id"} {
		if got := len(lines(t)[0][key].(string)); got != maxLogged {
			t.Errorf("%s: %d bytes", key, got)
		}
	}
}

func TestRequestLogAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logTo(slog.LevelInfo)
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("recovered %v", v)
				}
			}()
			RequestLog(log, nil)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "hal")
				panic(http.ErrAbortHandler)
			})).ServeHTTP(httptest.NewRecorder(), request("192.0.2.1:5000"))
		}()
		checkLine(t, lines(t), `{"level":"INFO","msg":"response aborted","method":"GET","path":"/","status":200,"bytes":3,"duration_ms":0}`)
	})
}

func checkLine(t *testing.T, lines []map[string]any, want string) {
	t.Helper()
	if want == "" {
		if len(lines) != 0 {
			t.Errorf("logged %v, want nothing", lines)
		}
		return
	}
	if len(lines) != 1 {
		t.Fatalf("logged %v, want one line", lines)
	}
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(lines[0])
	sorted, _ := json.Marshal(wanted)
	if !bytes.Equal(got, sorted) {
		t.Errorf("logged %s\nwant   %s", got, sorted)
	}
}
