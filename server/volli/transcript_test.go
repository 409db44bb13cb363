package volli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/oodaa/signaling/server"
)

// TestTranscripts plays what is in testdata against a real server, and compares
// to the letter. A file holds transcripts; each has a server to itself, or,
// where clients of Oodaa's family take part, one of each engine. Its lines:
//
//	== name            begins a transcript
//	+ a [PATH]         Volli's client a connects, at /signaling if not said
//	+ a socketio       a client of Oodaa's family connects
//	> a TEXT           the client sends this text frame
//	< a TEXT           the next frame that the client gets is this text
//	! a CODE REASON    or this Close; the connection ends
//	- a                the client closes; the server answers
//	x a                the network connection ends without a word
//	? a TEXT           the client sends this until the answer is the line below
//	# …                says something to the reader
//
// ${x*3} stands for xxx. At the end no client may have got anything else, and
// the server stops: those that are there get a Close with 1001.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range parseTranscripts(t, file, string(text)) {
			for _, engine := range tr.engines() {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+tr.name+"/"+engine.name, func(t *testing.T) {
					t.Parallel()
					tr.play(t, engine)
				})
			}
		}
	}
}

type transcript struct {
	file, name string
	lines      []line
}

type line struct {
	number       int
	op           string
	client, text string
}

var repeated = regexp.MustCompile(`\$\{(.+?)\*(\d+)\}`)

func parseTranscripts(t *testing.T, file, text string) (all []*transcript) {
	for i, s := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(s, "== "); ok {
			all = append(all, &transcript{file: file, name: name})
			continue
		}
		if s == "" || s[0] == '#' {
			continue
		}
		s = repeated.ReplaceAllStringFunc(s, func(s string) string {
			m := repeated.FindStringSubmatch(s)
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			return strings.Repeat(m[1], n)
		})
		op, rest, _ := strings.Cut(s, " ")
		client, text, _ := strings.Cut(rest, " ")
		if len(all) == 0 || !strings.Contains("+><!-x?", op) || client == "" {
			t.Fatalf("%s:%d: what is %q?", file, i+1, s)
		}
		tr := all[len(all)-1]
		tr.lines = append(tr.lines, line{number: i + 1, op: op, client: client, text: text})
	}
	return all
}

// engines are those that it is played on: one, where nobody speaks Socket.IO.
func (tr *transcript) engines() []engine {
	for _, l := range tr.lines {
		if l.op == "+" && l.text == "socketio" {
			return engines
		}
	}
	return engines[:1]
}

func (tr *transcript) play(t *testing.T, e engine) {
	s := start(t, change(options(), func(o *server.Options) { o.Engine = e.start; o.MessageRate = 0 }))
	clients := make(map[string]*client)
	var order []*client
	for i := 0; i < len(tr.lines); i++ {
		l := tr.lines[i]
		c := clients[l.client]
		if (c == nil) != (l.op == "+") {
			t.Fatalf("%s:%d: client %s", tr.file, l.number, l.client)
		}
		if c != nil {
			c.name = tr.file + ":" + strconv.Itoa(l.number) + ": " + l.client
		}
		switch l.op {
		case "+":
			if l.text == "socketio" {
				c = s.openSocketIO(l.client)
			} else {
				path := l.text
				if path == "" {
					path = "/signaling"
				}
				c = s.open(l.client, path)
			}
			clients[l.client] = c
			order = append(order, c)
		case ">":
			c.send(l.text)
		case "<":
			c.expect(l.text)
		case "!":
			code, reason, _ := strings.Cut(l.text, " ")
			n, err := strconv.Atoi(code)
			if err != nil {
				t.Fatalf("%s:%d: %v", tr.file, l.number, err)
			}
			c.expectClose(ws.StatusCode(n), reason)
		case "-":
			c.close(ws.StatusNormalClosure, "")
			c.expectClose(ws.StatusNormalClosure, "")
		case "x":
			_ = c.conn.Close()
			c.ended = true
		case "?":
			i++
			c.eventually(l.text, tr.lines[i].text)
		}
	}
	for _, c := range order {
		if !c.ended {
			c.settle()
		}
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop()
	}()
	for _, c := range order {
		if !c.ended && !c.socket {
			c.expectClose(ws.StatusGoingAway, "server shutting down")
		}
		_ = c.conn.Close()
	}
	<-stopped
}
