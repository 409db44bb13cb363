package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	secret      = "a secret of more than thirty-two bytes"
	otherSecret = "another secret, of thirty-two bytes or more"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// testKeys are the private keys of the tests. They are not changed.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, otherRSA, smallRSA *rsa.PrivateKey
	p256, p384              *ecdsa.PrivateKey
	ed                      ed25519.PrivateKey
}) {
	newRSA := func(bits int) *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, bits)) }
	k.rsa, k.otherRSA, k.smallRSA = newRSA(2048), newRSA(2048), newRSA(1024)
	k.p256 = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	k.p384 = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	_, k.ed, _ = ed25519.GenerateKey(rand.Reader)
	return k
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type object = map[string]any

// claims returns good claims, changed by the pairs of name and value given; a
// nil value removes.
func claims(pairs ...any) object {
	c := object{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		} else {
			c[pairs[i].(string)] = pairs[i+1]
		}
	}
	return c
}

// sign makes a token. The header gets alg, and what the pairs say.
func sign(alg string, key any, claims any, header ...any) string {
	h := object{"alg": alg, "typ": "JWT"}
	for i := 0; i < len(header); i += 2 {
		h[header[i].(string)] = header[i+1]
	}
	return signText(alg, key, string(must(json.Marshal(h))), string(must(json.Marshal(claims))))
}

func signText(alg string, key any, header, payload string) string {
	content := segment(header) + "." + segment(payload)
	return content + "." + segment(string(must(jwt.GetSigningMethod(alg).Sign(content, key))))
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// publicJWK returns the public key as a JSON Web Key, changed by the pairs.
func publicJWK(key crypto.Signer, pairs ...any) object {
	var k object
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		k = object{"kty": "RSA", "n": segment(string(public.N.Bytes())),
			"e": segment(string(big.NewInt(int64(public.E)).Bytes()))}
	case *ecdsa.PublicKey:
		point := must(public.Bytes())[1:]
		k = object{"kty": "EC", "crv": public.Params().Name,
			"x": segment(string(point[:len(point)/2])), "y": segment(string(point[len(point)/2:]))}
	case ed25519.PublicKey:
		k = object{"kty": "OKP", "crv": "Ed25519", "x": segment(string(public))}
	}
	for i := 0; i < len(pairs); i += 2 {
		k[pairs[i].(string)] = pairs[i+1]
	}
	return k
}

func keySetJSON(keys ...object) []byte {
	return must(json.Marshal(object{"keys": append([]object{}, keys...)}))
}

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// replaceFile swaps the file in one step, as operators should.
func replaceFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.Rename(writeFile(t, data), path); err != nil {
		t.Fatal(err)
	}
}

// verifier makes one that reads its key set all the time.
func verifier(t testing.TB, opts Options) *Verifier {
	t.Helper()
	p := pace{gap: time.Millisecond, interval: 2 * time.Millisecond}
	v, err := newVerifier(opts, p, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func accepts(v *Verifier, token string) func() bool {
	return func() bool { _, err := v.Verify(token); return err == nil }
}

// A journal keeps what is logged, down to debug.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) count(message string) int {
	return strings.Count(j.String(), "msg="+`"`+message+`"`)
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
