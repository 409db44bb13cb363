// Package auth tells who may be who (contract, section 7). It knows tokens and
// keys, neither wires nor users: the gateways ask it, and act on the answer.
//
// A Verifier checks bearer tokens and grants the user id that a token names.
// What decides is never the token's own word: its algorithm must be one of ours,
// HMAC is checked with the secrets only, and a key of the JSON Web Key Set has
// exactly one algorithm.
//
// A keySource keeps that set current in a goroutine of its own. Verify takes
// what is there and never waits, so event loops may call it. A set that cannot
// be had leaves the former keys in use; a key that we cannot use is left out.
//
// A PublicKey is what a Volli client registers with. A signature over a nonce,
// which the gateway makes and uses once, proves that it has the private half.
package auth
