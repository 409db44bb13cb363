package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// webCrypto has Node's Web Crypto answer the requests (testdata/webcrypto.mjs).
func webCrypto(t *testing.T, requests []map[string]any, answers any) {
	t.Helper()
	rig.Require(t, "node")
	input, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "--no-warnings", filepath.Join("testdata", "webcrypto.mjs"))
	node.Stdin = bytes.NewReader(input)
	node.Stderr = os.Stderr
	output, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	if err := json.Unmarshal(output, answers); err != nil {
		t.Fatal(err)
	}
}

func TestTokensMadeByWebCrypto(t *testing.T) {
	algorithms := []string{"RS256", "ES256", "EdDSA", "HS256", "HS384", "HS512"}
	var requests []map[string]any
	for _, alg := range algorithms {
		request := map[string]any{
			"do": "token", "alg": alg, "kid": "key of " + alg,
			"claims": map[string]any{"sub": "Zoë 🦊", "exp": time.Now().Add(time.Hour).Unix()},
		}
		if alg[0] == 'H' {
			request["secret"] = secret
		}
		requests = append(requests, request)
	}
	var answers []struct {
		Token string          `json:"token"`
		JWK   json.RawMessage `json:"jwk"`
	}
	webCrypto(t, requests, &answers)

	var keys []json.RawMessage
	for _, a := range answers {
		if a.JWK != nil {
			keys = append(keys, a.JWK)
		}
	}
	set, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, Options{Secrets: []string{secret}, JWKS: writeFile(t, set)})
	for i, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			grant, err := v.Verify(answers[i].Token)
			if err != nil || grant.UserID != "Zoë 🦊" {
				t.Errorf("got %+v, %v", grant, err)
			}
		})
	}
}

func TestProofsMadeByWebCrypto(t *testing.T) {
	type proof struct {
		UserID string `json:"userId"`
		Nonce  string `json:"nonce"`
	}
	proofs := []proof{
		{"alice", NewNonce()},
		{"Zoë 🦊", NewNonce()},
		{"line\nbreak", NewNonce()},
	}
	kinds := []string{"EdDSA", "ES256", "EdDSA", "ES256"}
	var requests []map[string]any
	for _, alg := range kinds {
		requests = append(requests, map[string]any{"do": "prove", "alg": alg, "proofs": proofs})
	}
	var answers []struct {
		SPKI       string   `json:"spki"`
		Signatures []string `json:"signatures"`
	}
	webCrypto(t, requests, &answers)

	keys := make([]*PublicKey, len(answers))
	for i, a := range answers {
		key, err := ParseKey(a.SPKI)
		if err != nil {
			t.Fatalf("%s: %v", kinds[i], err)
		}
		keys[i] = key
	}
	for k, key := range keys {
		for signer, a := range answers {
			for s, signature := range a.Signatures {
				for p, proof := range proofs {
					want := k == signer && s == p
					if got := key.Proves(proof.UserID, proof.Nonce, signature); got != want {
						t.Errorf("key %d (%s), signature of key %d for proof %d, as proof %d: got %v", k, kinds[k], signer, s, p, got)
					}
				}
				// The same user with another's nonce, and the other way round.
				if key.Proves(proofs[s].UserID, proofs[(s+1)%len(proofs)].Nonce, signature) ||
					key.Proves(proofs[(s+1)%len(proofs)].UserID, proofs[s].Nonce, signature) {
					t.Errorf("key %d: half a proof is enough", k)
				}
			}
		}
	}
}
