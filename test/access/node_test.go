package access

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A nodeRequest is one connection of the real socket.io-client.
type nodeRequest struct {
	URL        string            `json:"url"`
	Transports []string          `json:"transports"`
	Auth       map[string]any    `json:"auth,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	CA         string            `json:"ca,omitempty"`       // PEM
	Register   string            `json:"register,omitempty"` // a name
	Ask        string            `json:"ask,omitempty"`      // an event, with an acknowledgement
	Emit       string            `json:"emit,omitempty"`     // an event without
	Await      string            `json:"await,omitempty"`    // an event of the server's
	Upgrade    bool              `json:"upgrade,omitempty"`  // wait for it
}

type nodeAnswer struct {
	Connected         bool
	Error             string // the message of connect_error
	Transport         string
	Registered, Asked json.RawMessage // the acknowledgements
	Awaited           json.RawMessage
}

// node connects clients one after the other (testdata/client.mjs).
func node(t *testing.T, requests []nodeRequest) []nodeAnswer {
	t.Helper()
	input, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "node", "testdata/client.mjs")
	run.Stdin = bytes.NewReader(input)
	var problems bytes.Buffer
	run.Stderr = &problems
	output, err := run.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, &problems)
	}
	var answers []nodeAnswer
	if err := json.Unmarshal(output, &answers); err != nil || len(answers) != len(requests) {
		t.Fatalf("%d answers to %d requests, %v:\n%s", len(answers), len(requests), err, output)
	}
	return answers
}

// A webCrypto is a node process that makes keys and signs as browsers do
// (testdata/webcrypto.mjs).
type webCrypto struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
}

func startWebCrypto(t testing.TB) *webCrypto {
	t.Helper()
	run := exec.Command("node", "--no-warnings", "testdata/webcrypto.mjs")
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	run.Stderr = &problems
	if err := run.Start(); err != nil {
		t.Fatalf("node: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := run.Wait(); err != nil {
			t.Errorf("node: %v\n%s", err, &problems)
		}
	})
	return &webCrypto{t: t, in: in, out: bufio.NewScanner(out)}
}

func (w *webCrypto) do(request map[string]any, answer any) {
	w.t.Helper()
	line, err := json.Marshal(request)
	if err == nil {
		_, err = w.in.Write(append(line, '\n'))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if !w.out.Scan() {
		w.t.Fatalf("node ended: %v", w.out.Err())
	}
	if err := json.Unmarshal(w.out.Bytes(), answer); err != nil {
		w.t.Fatalf("%s: %v", w.out.Bytes(), err)
	}
}

// A webKey is a key pair in the node process.
type webKey struct {
	of   *webCrypto
	ID   int
	SPKI string
}

// key makes a pair: "Ed25519", "P-256", or one that the server does not know.
func (w *webCrypto) key(kind string) *webKey {
	w.t.Helper()
	k := &webKey{of: w}
	w.do(map[string]any{"do": "key", "kind": kind}, k)
	return k
}

// sign returns the base64 of the signature of a text.
func (k *webKey) sign(text string) string {
	k.of.t.Helper()
	var answer struct{ Signature string }
	k.of.do(map[string]any{"do": "sign", "id": k.ID, "text": text}, &answer)
	return answer.Signature
}

// prove signs what a registration is proved with.
func (k *webKey) prove(user, nonce string) string {
	return k.sign("oodaa-register\n" + user + "\n" + nonce)
}

// nonceOf is that of a challenge, of the form that the contract says.
func nonceOf(t testing.TB, challenge string) string {
	t.Helper()
	nonce, isChallenge := strings.CutPrefix(challenge, `{"type":"challenge","nonce":"`)
	nonce, complete := strings.CutSuffix(nonce, `"}`)
	raw, err := base64.StdEncoding.DecodeString(nonce)
	if !isChallenge || !complete || err != nil || len(raw) != 32 {
		t.Fatalf("challenge %q: %d bytes, %v", challenge, len(raw), err)
	}
	return nonce
}
