// Command simulate computes what a cluster of many users would have to do, from
// a simple model whose constants bench/scale and bench/cluster have measured:
// bytes, messages and CPU of each instance and of Redis, what breaks first, and
// what helps. It sends nothing and measures nothing.
//
//	go run ./bench/simulate                                  a million users on fifty instances: make simulate
//	go run ./bench/simulate -users 50000 -instances 4 -session 10m -calls 2
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
}

// A result is what -out writes.
type result struct {
	Constants *constants `json:"constants"`
	Demand    demand     `json:"demand"`
	Instances int        `json:"instances"`
	Loads     []load     `json:"loads"`
	Limits    []limit    `json:"limits"`
	Curves    []curve    `json:"curves"`
}

// A curve is what an instance has to do, by how many users there are.
type curve struct {
	Presence string    `json:"presence"`
	Users    []float64 `json:"users"`
	Bits     []float64 `json:"bits"`
	Cores    []float64 `json:"cores"`
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	data := flags.String("data", "docs/bench", "where scale.json and cluster.json are")
	out := flags.String("out", "", "file for the result, as JSON")
	users := flags.Float64("users", 1e6, "users")
	instances := flags.Int("instances", 50, "instances, with the same share of users each")
	session := flags.Duration("session", time.Hour, "how long a user stays: users join and leave as often as that means")
	var d demand
	flags.Float64Var(&d.Calls, "calls", 1, "calls that a user begins in an hour")
	flags.Float64Var(&d.Relays, "relays", 42, "relays in a call")
	flags.Float64Var(&d.Contacts, "contacts", 100, "PRESENCE=watched: users who are online that a user watches, and that watch this user")
	var m means
	flags.Float64Var(&m.Bits, "network", 1e9, "bits a second that an instance, and Redis, may send")
	flags.Float64Var(&m.Cores, "cores", 4, "cores of an instance; Redis uses one")
	flags.Float64Var(&m.Memory, "memory", 8e9, "bytes of memory of an instance")
	flags.Float64Var(&m.Events, "events", 10, "presence events a second that a client may get")
	flags.Float64Var(&m.Outbox, "outbox", 4194304, "MAX_OUTBOX_BYTES")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *users < 1 || *instances < 1 || *session <= 0 || d.Calls < 0 || d.Relays < 0 || d.Contacts < 0 {
		return errors.New("users, instances and session must be above zero, calls, relays and contacts not below it")
	}
	d.Session = session.Seconds()
	c, err := readConstants(*data)
	if err != nil {
		return err
	}
	r := result{Constants: c, Demand: d, Instances: *instances}
	for _, presence := range []string{"all", "watched", "none"} {
		r.Loads = append(r.Loads, c.load(*users, *instances, presence, d))
		r.Limits = append(r.Limits, c.limits(*instances, presence, d, m)...)
		line := curve{Presence: presence}
		for _, n := range []float64{1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6} {
			l := c.load(n, *instances, presence, d)
			line.Users = append(line.Users, n)
			line.Bits = append(line.Bits, 8*l.Bytes)
			line.Cores = append(line.Cores, l.Cores)
		}
		r.Curves = append(r.Curves, line)
	}
	if err := r.print(stdout, m); err != nil {
		return err
	}
	if *out == "" {
		return nil
	}
	b, err := json.MarshalIndent(&r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(*out, append(b, '\n'), 0o644)
}

// read reads a file of measured figures.
func read(dir, file string, into any) error {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
