package cluster

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// prover is a Volli client that can prove its key.
type prover struct {
	*rig.Client
	private ed25519.PrivateKey
	public  string
}

func newProver(t *testing.T, addr string) *prover {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return &prover{rig.MustDial(t, addr, rig.Volli), private, base64.StdEncoding.EncodeToString(der)}
}

// claim registers, with a proof where one is asked for, and returns how that
// ended: the type of the answer, or the error's text.
func (p *prover) claim(t *testing.T, id string) string {
	t.Helper()
	if err := p.SendRaw(fmt.Sprintf(`{"type":"register","userId":%q,"publicKey":%q}`, id, p.public)); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := p.Await("registered", "challenge", "error")
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Nonce, Message string }
		if err := json.Unmarshal(m.Args, &answer); err != nil {
			t.Fatal(err)
		}
		switch m.Event {
		case "registered":
			return m.Event
		case "error":
			return answer.Message
		}
		signature := ed25519.Sign(p.private, []byte("oodaa-register\n"+id+"\n"+answer.Nonce))
		proof := fmt.Sprintf(`{"type":"proof","signature":%q}`, base64.StdEncoding.EncodeToString(signature))
		if err := p.SendRaw(proof); err != nil {
			t.Fatal(err)
		}
	}
}

// A name with a key is not taken without that key, on whatever instance its
// holder is; and the holder does not notice the attempt.
func TestKeyProofAcrossInstances(t *testing.T) {
	for _, presence := range []string{"all", "none"} {
		t.Run("presence "+presence, func(t *testing.T) {
			nodes := rig.StartNodes(t, rig.StartRedis(t), 2, "KEY_PROOF=takeover", "PRESENCE="+presence)
			holder := newProver(t, nodes[0].Addr)
			if got := holder.claim(t, "alice"); got != "registered" {
				t.Fatal(got)
			}
			impostor := newProver(t, nodes[1].Addr)
			if got := impostor.claim(t, "alice"); got != "Invalid proof" {
				t.Errorf("another key: %s", got)
			}
			oodaa := rig.MustDial(t, nodes[1].Addr, rig.Oodaa)
			if err := oodaa.SendRaw(`42["register",{"userId":"alice"}]`); err != nil {
				t.Fatal(err)
			}
			if m, err := oodaa.Await("error"); err != nil || string(m.Args) != `"User ID not allowed"` {
				t.Errorf("without a key: %s, %v", m.Args, err)
			}

			caller := newProver(t, nodes[1].Addr)
			if got := caller.claim(t, "bob"); got != "registered" {
				t.Fatal(got)
			}
			caller.ID = "bob"
			if _, err := caller.Send("alice", `"still there"`, false); err != nil {
				t.Fatal(err)
			}
			if m, err := holder.Await("ice-candidate"); err != nil || string(m.Body()) != `"still there"` {
				t.Errorf("%s, %v", m.Args, err)
			}

			// The same key, from another instance, takes the name.
			again := newProver(t, nodes[1].Addr)
			again.private, again.public = holder.private, holder.public
			if got := again.claim(t, "alice"); got != "registered" {
				t.Errorf("the same key: %s", got)
			}
			<-holder.Done()
			if holder.CloseCode() != 4001 {
				t.Errorf("replaced: %v", holder.Err())
			}
		})
	}
}
