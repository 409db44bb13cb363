package field

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A row is one kind of client.
type row struct {
	name     string
	program  string // that runs it: "node" or "python"
	patience time.Duration
	spec
}

// A spec describes one client to the program that runs it.
type spec struct {
	Key        string   `json:"key"` // names the client in commands and reports
	ID         string   `json:"id"`  // the user
	Peer       string   `json:"peer"`
	URL        string   `json:"url"`
	Family     string   `json:"family"`
	Version    string   `json:"version,omitempty"`    // of socket.io-client
	Transports []string `json:"transports,omitempty"` // none: the library's default
	Token      string   `json:"token,omitempty"`

	Eager        bool `json:"eager,omitempty"`        // emits while it is disconnected
	Greets       bool `json:"greets,omitempty"`       // calls its peer on peer-connected
	Reconnecting bool `json:"reconnecting,omitempty"` // with the package reconnecting-websocket
}

// limit is how long after the path is whole a client may take to be registered.
const limit = 10 * time.Second

var transports = []struct {
	name  string
	names []string
}{
	{"websocket", []string{"websocket"}},
	{"polling", []string{"polling"}},
	{"default", nil},
}

// rows are all kinds of clients that the flag asks for.
func rows() []*row {
	wanted := regexp.MustCompile(*only)
	return slices.DeleteFunc(everyRow(), func(r *row) bool { return !wanted.MatchString(r.name) })
}

func everyRow() []*row {
	var all []*row
	add := func(name, program string, s spec) *row {
		r := &row{name: name, program: program, patience: limit, spec: s}
		all = append(all, r)
		return r
	}
	for _, version := range []string{"3.0", "3.1", "4.0", "4.4", "4.7", "4.8"} {
		for _, t := range transports {
			add(fmt.Sprintf("socket.io-client %s, %s", version, t.name), "node",
				spec{Family: "oodaa", Version: version, Transports: t.names})
		}
	}
	for _, t := range transports {
		add("python3-socketio, "+t.name, "python", spec{Family: "oodaa", Transports: t.names})
	}
	webSocket := []string{"websocket"}
	add("Oodaa's app", "node", spec{Family: "oodaa", Version: "4.8", Transports: webSocket})
	add("emits while disconnected", "node", spec{Family: "oodaa", Version: "4.8", Transports: webSocket, Eager: true})
	for _, t := range transports {
		add("calls on peer-connected, "+t.name, "node",
			spec{Family: "oodaa", Version: "4.8", Transports: t.names, Greets: true})
	}
	add("Volli's app", "node", spec{Family: "volli"})
	// This library waits up to ten seconds before it tries again.
	add("reconnecting-websocket", "node", spec{Family: "volli", Reconnecting: true}).patience = limit + 2*time.Second
	return all
}

// overWebSocket are the rows that need no long-polling.
func overWebSocket() []*row {
	return filter(func(r *row) bool {
		return r.Family == "volli" || len(r.Transports) == 1 && r.Transports[0] == "websocket"
	})
}

// greeters are the rows that call on peer-connected.
func greeters() []*row {
	// A page that polls says nothing when it is closed. When it is back, it looks like
	// a device that has changed networks, and nobody is told (contract, section 11).
	return filter(func(r *row) bool { return r.Greets && !slices.Equal(r.Transports, []string{"polling"}) })
}

func filter(wanted func(*row) bool) []*row {
	var some []*row
	for _, r := range rows() {
		if wanted(r) {
			some = append(some, r)
		}
	}
	return some
}

// user is the ID of one of a row's two users.
func (r *row) user(end string) string {
	return strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(r.name) + "-" + end
}

// url is where a client of the row connects to. Proxies tell users apart by the
// query, as they would by their addresses.
func (r *row) url(addr, user string) string {
	if r.Family == "volli" {
		return "ws://" + addr + "/signaling?user=" + user
	}
	return "http://" + addr + "/?user=" + user
}

// queues reports whether an error is what this kind of client has to expect:
// reconnecting-websocket sends what it was given while it was disconnected before
// its app can register.
func (r *row) queues(text string) bool { return r.Reconnecting && text == "Not registered" }
