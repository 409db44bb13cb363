package docs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
)

// source is the code of a package, without its tests.
func source(t *testing.T, dir string) (text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAllString(string(code), "")
	}
	return text
}

// inSource returns what a pattern's group finds in the code of a package.
func inSource(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found := make(map[string]bool)
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(source(t, dir), -1) {
		found[m[1]] = true
	}
	if len(found) == 0 {
		t.Fatalf("%s has nothing like %s any more", dir, pattern)
	}
	return slices.Sorted(maps.Keys(found))
}

// A family is what the server has for one family of clients.
type family struct{ toServer, fromServer, errors, codes []string }

func families(t *testing.T) (oodaa, volli family) {
	t.Helper()
	const handled = `(?:case |e\.Name\) == )"([a-z-]+)"`
	var relayed []string
	for k := range hub.Kinds {
		relayed = append(relayed, k.Event())
	}
	oodaa.toServer = slices.Concat(inSource(t, "server/oodaa", handled), relayed)
	oodaa.fromServer = slices.Concat(inSource(t, "server/oodaa", `\["([a-z-]+)"`), relayed)
	// Volli clients have no custom messages.
	volli.toServer = slices.Concat(inSource(t, "server/volli", handled), relayed[:hub.Custom])
	volli.fromServer = slices.Concat(inSource(t, "server/volli", `"type":"([a-z-]+)"`), relayed[:hub.Custom])

	for o := range hub.Outcomes {
		text := events.Text(o)
		if text == "" {
			continue
		}
		if !slices.Contains([]hub.Outcome{hub.InvalidFormat, hub.UnknownType, hub.MissingFields, hub.InvalidProof}, o) {
			oodaa.errors = append(oodaa.errors, text)
			oodaa.codes = append(oodaa.codes, events.Code(o))
		}
		if o != hub.InvalidUserID {
			volli.errors = append(volli.errors, text)
			volli.codes = append(volli.codes, events.Code(o))
		}
	}
	oodaa.codes = append(oodaa.codes, events.Code(hub.InvalidData), events.Code(hub.NotFound), events.Code(hub.NotResponding))
	volli.codes = append(volli.codes, events.Code(hub.NotFound), events.Code(hub.NotResponding))
	notResponding := events.NotRespondingText([]byte("<to>"))
	oodaa.errors, volli.errors = append(oodaa.errors, notResponding), append(volli.errors, notResponding)
	for dir, errors := range map[string]*[]string{"server/oodaa": &oodaa.errors, "server/volli": &volli.errors} {
		for _, rest := range inSource(t, dir, `"User " \+ events\.Named\(to\) \+ "([^"]+)"`) {
			*errors = append(*errors, "User <to>"+rest)
		}
	}
	oodaa.errors = append(oodaa.errors, inSource(t, "server/oodaa", `hub\.[A-Z]\w+: +"(Invalid [^"]+ data)"`)...)
	return oodaa, volli
}

// errcodes are the codes of errors that a package names.
func errcodes(t *testing.T, dirs ...string) []string {
	t.Helper()
	named := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^\t([A-Z]\w+) += "(\w+)"`).FindAllStringSubmatch(source(t, "errcode"), -1) {
		named[m[1]] = m[2]
	}
	used := make(map[string]bool)
	for _, dir := range dirs {
		for _, name := range inSource(t, dir, `errcode\.([A-Z]\w+)`) {
			if code, ok := named[name]; ok {
				used[code] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(used))
}

func TestOpenAPIHasTheCodes(t *testing.T) {
	var spec struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Enum []string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readPage(t, "docs/openapi.yaml")), &spec); err != nil {
		t.Fatal(err)
	}
	same(t, "codes of HTTP", spec.Components.Schemas["Error"].Properties["code"].Enum, errcodes(t, "server", "middleware"))
}

type asyncAPI struct {
	Channels map[string]struct {
		Messages map[string]struct {
			Ref string `yaml:"$ref"`
		}
		CloseCodes []struct {
			Code      int
			Reason    string
			Reconnect bool
		} `yaml:"x-close-codes"`
	}
	Components struct {
		Messages map[string]struct{ Name string }
		Schemas  map[string]struct {
			OneOf []struct {
				Enum    []string
				Pattern string
			} `yaml:"oneOf"`
			Enum      []string
			MaxLength int `yaml:"maxLength"`
		}
	}
}

func readAsyncAPI(t *testing.T) (spec asyncAPI) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readPage(t, "docs/asyncapi.yaml")), &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%q\nthe server has\n%q", what, got, want)
	}
}

func TestAsyncAPIIsTheServers(t *testing.T) {
	oodaa, volli := families(t)
	spec := readAsyncAPI(t)
	for _, tt := range []struct {
		channel, prefix string
		want            []string
	}{
		{"socketio", "Send", oodaa.toServer},
		{"socketio", "Receive", oodaa.fromServer},
		{"websocket", "VolliSend", volli.toServer},
		{"websocket", "VolliReceive", volli.fromServer},
	} {
		var got []string
		for key, m := range spec.Channels[tt.channel].Messages {
			if strings.HasPrefix(key, tt.prefix) {
				got = append(got, spec.Components.Messages[strings.TrimPrefix(m.Ref, "#/components/messages/")].Name)
			}
		}
		same(t, "messages of "+tt.channel+" named "+tt.prefix+"…", got, tt.want)
	}
	for name, want := range map[string][]string{"SocketIOError": oodaa.errors, "VolliError": volli.errors} {
		var got []string
		for _, one := range spec.Components.Schemas[name].OneOf {
			got = append(got, one.Enum...)
			if one.Pattern != "" {
				got = append(got, strings.NewReplacer("^", "", ".+", "<to>", "$", "").Replace(one.Pattern))
			}
		}
		same(t, "errors of "+name, got, want)
	}
	same(t, "codes of Socket.IO", spec.Components.Schemas["ErrorCode"].Enum, oodaa.codes)
	same(t, "codes of plain WebSocket", spec.Components.Schemas["VolliErrorCode"].Enum, volli.codes)
	if a, b := spec.Components.Schemas["UserID"].MaxLength, spec.Components.Schemas["VolliUserID"].MaxLength; a != events.MaxOodaaUserID || b != events.MaxVolliUserID {
		t.Errorf("user IDs of at most %d and %d", a, b)
	}
}

// section is a part of a page, by its heading.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("no section %q", heading)
	}
	level := heading[:strings.Index(heading, " ")+1]
	rest, _, _ = strings.Cut(rest, "\n"+level)
	if level == "### " {
		rest, _, _ = strings.Cut(rest, "\n## ")
	}
	return rest
}

var quoted = regexp.MustCompile("`([^`]+)`")

// column returns what is quoted in one column of a section's first table.
func column(text string, n int) (all []string) {
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| ") && len(cells) > n {
			for _, m := range quoted.FindAllStringSubmatch(cells[n], -1) {
				all = append(all, m[1])
			}
		}
	}
	return all
}

func TestProtocolPageIsTheServers(t *testing.T) {
	page := readPage(t, "docs/protocol.md")
	oodaa, volli := families(t)
	socketio, websocket := section(t, page, "## Socket.IO"), section(t, page, "## Plain WebSocket")
	same(t, "events to the server", column(section(t, socketio, "### Client to server"), 1), oodaa.toServer)
	same(t, "events from the server", column(section(t, socketio, "### Server to client"), 1), oodaa.fromServer)
	same(t, "messages to the server", column(section(t, websocket, "### Client to server"), 1), append([]string{"type"}, volli.toServer...))
	same(t, "messages from the server", column(section(t, websocket, "### Server to client"), 1), append([]string{"type"}, volli.fromServer...))
	errors := section(t, page, "## Errors")
	same(t, "errors of Socket.IO", column(errors, 1), oodaa.errors)
	unique := column(errors, 2)
	slices.Sort(unique)
	same(t, "errors of plain WebSocket", slices.Compact(unique), volli.errors)
	codes := append([]string{"code"}, oodaa.codes...)
	for _, code := range volli.codes {
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	same(t, "codes", column(errors, 4), codes)
	limits := section(t, page, "## Limits")
	for _, want := range []string{
		fmt.Sprintf("| %d UTF-16 code units |", events.MaxOodaaUserID), fmt.Sprintf("| %d bytes |", events.MaxVolliUserID), "| 4,096 bytes |",
	} {
		if !strings.Contains(limits, want) {
			t.Errorf("the limits lack %q", want)
		}
	}

	// The codes of the page, of asyncapi.yaml, and those that the source names.
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\| (\d{4}) \|`).FindAllStringSubmatch(section(t, websocket, "### Close codes"), -1) {
		documented[m[1]] = true
	}
	described := make(map[string]bool)
	for _, c := range readAsyncAPI(t).Channels["websocket"].CloseCodes {
		described[strconv.Itoa(c.Code)] = true
		if c.Reason != "" && !strings.Contains(websocket, "`"+c.Reason+"`") {
			t.Errorf("protocol.md lacks the reason %q", c.Reason)
		}
	}
	closings := closeCodes(t)
	same(t, "close codes of protocol.md", slices.Collect(maps.Keys(documented)), closings)
	same(t, "close codes of asyncapi.yaml", slices.Collect(maps.Keys(described)), closings)
}

// closeCodes are the codes that the source of the gateway of Volli's clients and
// of what it is built on closes connections with.
func closeCodes(t *testing.T) []string {
	t.Helper()
	code := source(t, "server/wire") + source(t, "server/volli")
	used := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:const )?([cC]lose[A-Za-z]+) *(?:uint16)? *= (\d{4})\b`).FindAllStringSubmatch(code, -1) {
		name, number := m[1], m[2]
		// 1000 answers a client's own Close frame, 1005 and 1006 are never sent.
		if uses := regexp.MustCompile(`\b`+name+`\b`).FindAllString(code, -1); len(uses) > 1 && number != "1000" && number != "1005" && number != "1006" {
			used[number] = true
		}
	}
	return slices.Sorted(maps.Keys(used))
}

// The types have the server's events and texts, and client.ts compiles with them.
func TestTypes(t *testing.T) {
	oodaa, _ := families(t)
	types := readPage(t, "types/signaling.d.ts")
	member := regexp.MustCompile(`(?m)^  "?([a-z-]+)"?: \(`)
	for name, want := range map[string][]string{"ClientToServerEvents": oodaa.toServer, "ServerToClientEvents": oodaa.fromServer} {
		_, body, _ := strings.Cut(types, "export interface "+name+" {")
		body, _, _ = strings.Cut(body, "\n}")
		var got []string
		for _, m := range member.FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		same(t, name, got, want)
	}
	for name, want := range map[string][]string{"ErrorText": oodaa.errors, "ErrorCode": oodaa.codes} {
		_, texts, _ := strings.Cut(types, "export type "+name+" =")
		texts, _, _ = strings.Cut(texts, ";")
		var got []string
		for _, m := range regexp.MustCompile("\\| [\"`](.*)[\"`]").FindAllStringSubmatch(texts, -1) {
			got = append(got, strings.ReplaceAll(m[1], "${string}", "<to>"))
		}
		same(t, name, got, want)
	}

	run(t, "node", "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck",
		"--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "types/client.ts")
}

func TestSpecificationsAreValid(t *testing.T) {
	run(t, "node", "--test", "specifications.mjs")
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
