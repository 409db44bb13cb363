package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	scenario string
	url      string
	protocol *protocol

	pairs, clients int
	window, size   int
	rate           float64
	event          string
	register       bool
	reconnect      bool
	watchEach      int
	watchers       int
	watched        string

	duration, warmup, timeout, settleTime, drainTime time.Duration

	pids     []int
	from     []net.IP
	insecure bool
	raw      bool

	json, quiet, allowErrors bool
}

const usage = `sigload puts load on a signaling server and measures it.

  sigload relay [flags]   pairs of clients send each other candidates, or with -event offers
  sigload call [flags]    pairs make calls: register, offer, answer, 20 candidates each way, close
  sigload join [flags]    clients register all at once, until each knows all others
  sigload idle [flags]    connections that do nothing

The server must allow it: RATE_LIMIT=0 MESSAGE_RATE=0, and REGISTER_TIMEOUT above the
time that idle and join take. The exit code is 1 if something was lost, reordered,
duplicated, altered or answered with an error.

`

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	flags := flag.NewFlagSet("sigload", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.url, "url", "http://127.0.0.1:3001", "the server; https and wss for TLS")
	protocolName := flags.String("protocol", "socketio", "socketio or volli")
	flags.IntVar(&o.pairs, "pairs", 50, "relay: pairs of clients; call: calls at a time")
	flags.IntVar(&o.clients, "clients", 1000, "join, idle: how many")
	flags.IntVar(&o.window, "window", 1, "relay: messages under way to each pair")
	flags.IntVar(&o.size, "size", 0, "relay, call: bytes of a candidate (200), or of an offer or answer (3000)")
	flags.StringVar(&o.event, "event", "ice-candidate", "relay: what is sent: ice-candidate, offer or answer")
	flags.Float64Var(&o.rate, "rate", 0, "relay: messages, call: calls, a second in all, sent when due whatever comes back; 0: as fast as answers come")
	flags.BoolVar(&o.register, "register", false, "idle: register the clients")
	flags.BoolVar(&o.reconnect, "reconnect", false, "join: register each client as soon as it is connected, and measure the connecting too, as after a restart")
	flags.IntVar(&o.watchEach, "watch", 0, "idle: with -register, how many users each client watches")
	flags.IntVar(&o.watchers, "watchers", 100, "idle: how many clients watch the same users; the first of them watch NAME-0-0, NAME-0-1, …, the next ones NAME-1-0, …")
	flags.StringVar(&o.watched, "watched", "watched", "idle: NAME")
	flags.DurationVar(&o.duration, "duration", 0, "how long to measure (10s; idle: 0s after memory has settled; join: at most 2m)")
	flags.DurationVar(&o.warmup, "warmup", time.Second, "relay, call: how long to run before measuring")
	flags.DurationVar(&o.timeout, "timeout", 20*time.Second, "for each connection to be ready, and for each call")
	flags.DurationVar(&o.settleTime, "settle", 15*time.Second, "idle: how long to wait at most until memory settles")
	flags.DurationVar(&o.drainTime, "drain", 3*time.Second, "relay: how long to wait at the end for what is under way; the rest is lost")
	pids := flags.String("pid", "", "process ids of the server, comma-separated: measure its CPU and memory (Linux)")
	from := flags.String("from", "", "local addresses to connect from in turns, comma-separated; each has some 28,000 ports")
	flags.BoolVar(&o.insecure, "insecure", false, "accept any TLS certificate")
	flags.BoolVar(&o.raw, "raw", false, "expect messages as they were sent: the server rewrites nothing")
	flags.BoolVar(&o.json, "json", false, "print the report as JSON")
	flags.BoolVar(&o.quiet, "quiet", false, "print no progress")
	flags.BoolVar(&o.allowErrors, "allow-errors", false, "exit with 0 when the server answered with errors")

	scenarios := []string{"relay", "call", "join", "idle"}
	if len(args) > 0 && slices.Contains(scenarios, args[0]) {
		o.scenario, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case o.scenario == "":
		return nil, fmt.Errorf("the first argument must be one of %s; -help tells more", strings.Join(scenarios, ", "))
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["duration"] {
		o.duration = map[string]time.Duration{"join": 2 * time.Minute, "idle": 0}[o.scenario]
		if o.scenario == "relay" || o.scenario == "call" {
			o.duration = 10 * time.Second
		}
	}
	if o.size == 0 {
		o.size = 200
		if o.scenario == "call" || o.event != "ice-candidate" {
			o.size = 3000
		}
	}
	for _, p := range protocols {
		if p.name == *protocolName {
			o.protocol = p
		}
	}
	var problems []error
	for field := range strings.SplitSeq(*pids, ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		pid, err := strconv.Atoi(field)
		if err != nil || pid < 1 {
			problems = append(problems, fmt.Errorf("-pid: %q is not a valid process ID", field))
		}
		o.pids = append(o.pids, pid)
	}
	for field := range strings.SplitSeq(*from, ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		ip := net.ParseIP(field)
		if ip == nil {
			problems = append(problems, fmt.Errorf("-from: %q is not a valid IP address", field))
		}
		o.from = append(o.from, ip)
	}
	return o, errors.Join(append(problems, o.validate()...)...)
}

func (o *options) validate() (problems []error) {
	u, err := url.Parse(o.url)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) {
		problems = append(problems, fmt.Errorf("-url: %q is not a valid http, https, ws or wss URL", o.url))
	}
	if o.protocol == nil {
		problems = append(problems, errors.New("-protocol: must be socketio or volli"))
	}
	if !slices.Contains([]string{"ice-candidate", "offer", "answer"}, o.event) {
		problems = append(problems, errors.New("-event: must be ice-candidate, offer or answer"))
	}
	for name, n := range map[string]int{"pairs": o.pairs, "clients": o.clients, "window": o.window, "watchers": o.watchers} {
		if n < 1 || n > 1_000_000 {
			problems = append(problems, fmt.Errorf("-%s: must be from 1 to 1000000", name))
		}
	}
	if o.watchEach < 0 || o.watchEach > 1000 {
		problems = append(problems, errors.New("-watch: must be from 0 to 1000"))
	}
	if o.rate < 0 || o.rate > 1e7 {
		problems = append(problems, errors.New("-rate: must be from 0 to 10000000"))
	}
	return problems
}

// target is the address that WebSockets are opened at.
func (o *options) target() string {
	u, err := url.Parse(o.url)
	if err != nil {
		panic(err) // validated
	}
	scheme := "ws"
	if u.Scheme == "https" || u.Scheme == "wss" {
		scheme = "wss"
	}
	return scheme + "://" + u.Host + strings.TrimSuffix(u.Path, "/") + o.protocol.path
}

func (o *options) tls() *tls.Config { return &tls.Config{InsecureSkipVerify: o.insecure} }
