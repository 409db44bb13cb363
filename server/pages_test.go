package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/web"
)

// options are the defaults, without limits.
func options() Options {
	return Options{
		Origins:           []string{"http://localhost:3000"},
		MaxMessage:        1 << 20,
		MaxOutbox:         4 << 20,
		PingInterval:      25 * time.Second,
		PingTimeout:       20 * time.Second,
		RegisterTimeout:   time.Minute,
		InactivityTimeout: 5 * time.Minute,
		Presence:          true,
		Engine:            func(opts socketio.Options) (socketio.Engine, error) { return socketio.New(opts), nil },
		WebSocket:         true,
		Polling:           true,
		StatusPages:       true,
	}
}

// running is a server that runs in the test.
type running struct {
	*Server
	url    string
	client *http.Client
	served chan error
}

func run(t testing.TB, opts Options) *running {
	t.Helper()
	s, err := New(opts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Server: s, url: "http://" + l.Addr().String(), served: make(chan error, 1)}
	r.client = &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	go func() { r.served <- s.Serve(l) }()
	t.Cleanup(func() { r.stop(t) })
	return r
}

func (r *running) stop(t testing.TB) {
	if r.served == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-r.served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("serve: %v", err)
	}
	r.served = nil
	r.client.CloseIdleConnections()
}

func (r *running) request(t *testing.T, method, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// files are the paths of the files that a page refers to.
func (r *running) files(t *testing.T, page string) []string {
	t.Helper()
	_, body := r.request(t, http.MethodGet, page)
	var files []string
	for part := range strings.SplitSeq(body, `"`) {
		if strings.HasPrefix(part, strings.TrimPrefix(page, "/")+"/") {
			files = append(files, "/"+part)
		}
	}
	if len(files) < 3 {
		t.Fatalf("%s refers to %v", page, files)
	}
	return files
}

func TestPagesAreServed(t *testing.T) {
	r := run(t, options())
	for _, page := range []string{"/demo", "/status"} {
		for _, path := range append(r.files(t, page), page) {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				answer, body := r.request(t, method, path)
				if answer.StatusCode != http.StatusOK || (body == "") != (method == http.MethodHead) {
					t.Errorf("%s %s: %d, %d bytes", method, path, answer.StatusCode, len(body))
				}
				h := answer.Header
				if policy := h.Values("Content-Security-Policy"); len(policy) != 1 || policy[0] != web.Policy {
					t.Errorf("%s %s: policy %q", method, path, policy)
				}
				if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
					t.Errorf("%s %s: without Helmet's headers: %v", method, path, h)
				}
			}
			if answer, _ := r.request(t, http.MethodPost, path); answer.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: %d", path, answer.StatusCode)
			}
		}
		if answer, _ := r.request(t, http.MethodGet, page+"/"); answer.Header.Get("Location") != ".."+page {
			t.Errorf("%s/: %d, %v", page, answer.StatusCode, answer.Header)
		}
		answer, body := r.request(t, http.MethodGet, page+"/nothing")
		if answer.StatusCode != http.StatusNotFound || body != `{"error":"Not found","code":"not_found"}`+"\n" {
			t.Errorf("%s/nothing: %d %s", page, answer.StatusCode, body)
		}
	}
}

// The policy is in the contract of these pages: value for value.
func TestPolicy(t *testing.T) {
	const want = "default-src 'none';base-uri 'none';connect-src 'self';form-action 'none';frame-ancestors 'self';" +
		"img-src data:;require-trusted-types-for 'script';script-src 'self';script-src-attr 'none';style-src 'self';trusted-types 'none'"
	if web.Policy != want {
		t.Errorf("policy %q", web.Policy)
	}
	r := run(t, options())
	for _, path := range []string{"/", "/stats", "/demo/nothing"} {
		answer, _ := r.request(t, http.MethodGet, path)
		if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'self';") {
			t.Errorf("%s: policy %q, not Helmet's", path, policy)
		}
	}
}

func TestPagesAreOffWhenTheyAreOff(t *testing.T) {
	on := run(t, options())
	paths := append(append(on.files(t, "/demo"), on.files(t, "/status")...),
		"/demo", "/demo/", "/status", "/status/", "/status/events", "/status/past")
	opts := options()
	opts.StatusPages = false
	off := run(t, opts)
	for _, path := range paths {
		if answer, body := off.request(t, http.MethodGet, path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, answer.StatusCode, body)
		}
	}
	endpoints := func(r *running) []string {
		var index struct{ Endpoints map[string]string }
		_, body := r.request(t, http.MethodGet, "/")
		if err := json.Unmarshal([]byte(body), &index); err != nil {
			t.Fatal(err)
		}
		for name, path := range map[string]string{"demo": "/demo", "status": "/status"} {
			if got := index.Endpoints[name]; got != "" && got != path {
				t.Errorf("endpoint %s: %s", name, got)
			}
		}
		return slices.Sorted(maps.Keys(index.Endpoints))
	}
	with, without := endpoints(on), endpoints(off)
	if !slices.Contains(with, "demo") || !slices.Contains(with, "status") || len(with) != len(without)+2 ||
		slices.Contains(without, "demo") || slices.Contains(without, "status") {
		t.Errorf("endpoints with the pages %v, without %v", with, without)
	}
}

// stream is what a status page follows.
type stream struct {
	body   io.ReadCloser
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

func (r *running) follow(t testing.TB) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/status/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		answer.Body.Close()
	})
	h := answer.Header
	if answer.StatusCode != http.StatusOK || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" {
		t.Fatalf("status %d, %v", answer.StatusCode, h)
	}
	return &stream{answer.Body, bufio.NewScanner(answer.Body), cancel}
}

// next returns the data of the next event; false at the end of the stream.
func (s *stream) next(t *testing.T) (data map[string]any, ok bool) {
	t.Helper()
	for s.lines.Scan() {
		text, found := strings.CutPrefix(s.lines.Text(), "data: ")
		if !found {
			continue
		}
		if err := json.Unmarshal([]byte(text), &data); err != nil {
			t.Fatal(err)
		}
		return data, true
	}
	return nil, false
}

func TestStatusStream(t *testing.T) {
	t.Parallel()
	r := run(t, options())
	one, two := r.follow(t), r.follow(t)
	first, ok := one.next(t)
	if !ok {
		t.Fatal("no event")
	}
	_, body := r.request(t, http.MethodGet, "/stats")
	var stats map[string]any
	if err := json.Unmarshal([]byte(body), &stats); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(maps.Keys(stats))
	want = slices.Sorted(slices.Values(append(want, "figures", "start")))
	if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, want) {
		t.Errorf("an event has %v, not %v", got, want)
	}
	second, ok := one.next(t)
	if !ok || second["start"] != first["start"] || first["start"] == "" || second["uptime"].(float64) <= first["uptime"].(float64) {
		t.Errorf("first %v, then %v", first, second)
	}
	if other, ok := two.next(t); !ok || other["start"] != first["start"] {
		t.Errorf("to another subscriber: %v", other)
	}
	again := run(t, options())
	if other, ok := again.follow(t).next(t); !ok || other["start"] == first["start"] {
		t.Errorf("after another start: %v", other)
	}
	// HEAD must not wait for events.
	if answer, _ := r.request(t, http.MethodHead, "/status/events"); answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", answer.StatusCode, answer.Header)
	}
}

func TestShutdownEndsStreamsAtOnce(t *testing.T) {
	r := run(t, options())
	var streams []*stream
	for range 10 {
		s := r.follow(t)
		if _, ok := s.next(t); !ok {
			t.Fatal("no event")
		}
		streams = append(streams, s)
	}
	// Well below what Shutdown may take, which a stream would use up.
	start := time.Now()
	r.stop(t)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	for _, s := range streams {
		for ok := true; ok; {
			_, ok = s.next(t)
		}
		if err := s.lines.Err(); err != nil {
			t.Errorf("a stream ended with %v", err)
		}
	}
}

func TestPast(t *testing.T) {
	r := run(t, options())
	live, ok := r.follow(t).next(t)
	if !ok {
		t.Fatal("no event")
	}
	answer, body := r.request(t, http.MethodGet, "/status/past")
	var past struct {
		Start string
		Names []string
		Rows  [][]float64
	}
	if err := json.Unmarshal([]byte(body), &past); err != nil || answer.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%v, %v", err, answer.Header)
	}
	figures := live["figures"].(map[string]any)
	if past.Start != live["start"] || !slices.Equal(slices.Sorted(slices.Values(past.Names)), slices.Sorted(maps.Keys(figures))) {
		t.Errorf("%s has %v; a live event %v has %v", past.Start, past.Names, live["start"], figures)
	}
	if len(past.Rows) == 0 || len(past.Rows[0]) != len(past.Names) {
		t.Errorf("rows %v for %v", past.Rows, past.Names)
	}
	for _, name := range []string{"at", "uptime", "cpu", "memory.resident", "goroutines"} {
		if figures[name].(float64) <= 0 {
			t.Errorf("%s is %v", name, figures[name])
		}
	}
}

// A subscriber that leaves is noticed.
func TestLeavingTheStreamIsNoticed(t *testing.T) {
	r := run(t, options())
	s := r.follow(t)
	if _, ok := s.next(t); !ok {
		t.Fatal("no event")
	}
	s.cancel()
	left := func() bool {
		r.feed.mu.Lock()
		defer r.feed.mu.Unlock()
		return len(r.feed.subscribers) == 0
	}
	for end := time.Now().Add(10 * time.Second); !left(); {
		if time.Now().After(end) {
			t.Fatal("the subscriber is still there")
		}
		runtime.Gosched()
	}
}

func TestFilesOfAPageDoNotCountAgainstTheRateLimit(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.RateLimit = 10
	r := run(t, opts)
	files := r.files(t, "/demo") // 1 request
	for range 20 {
		for _, path := range files {
			if answer, _ := r.request(t, http.MethodGet, path); answer.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d", path, answer.StatusCode)
			}
		}
	}
	r.client.CloseIdleConnections()
	r.client.Transport = &http.Transport{DisableKeepAlives: true} // a connection rests after a refusal
	var statuses []int
	for _, path := range []string{"/demo", "/status/events", "/status/past"} {
		for range 4 {
			answer, _ := r.request(t, http.MethodHead, path)
			statuses = append(statuses, answer.StatusCode)
		}
	}
	if want := append(slices.Repeat([]int{200}, 9), 429, 429, 429); !slices.Equal(statuses, want) {
		t.Errorf("pages and streams: %v", statuses)
	}
}

// BenchmarkTenStatusPages is what ten of them cost a second, these ten included.
func BenchmarkTenStatusPages(b *testing.B) {
	r := run(b, options())
	var streams []*stream
	for range 10 {
		streams = append(streams, r.follow(b))
	}
	b.ReportAllocs()
	for b.Loop() {
		r.feed.publish(false)
		for _, s := range streams {
			for s.lines.Scan() && s.lines.Text() == "" {
			}
		}
	}
}
