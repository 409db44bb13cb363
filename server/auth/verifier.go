package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// leeway is how far the clock of who issues tokens may be off.
	leeway = 30 * time.Second
	// maxToken bounds a token, in bytes.
	maxToken = 8 << 10
	// minSecret is the length in bytes below which a secret can be guessed
	// (RFC 7518, section 3.2).
	minSecret = 32
)

// Options says which tokens are accepted. Secrets, JWKS or both must be set.
type Options struct {
	// Secrets are HMAC keys for HS256, HS384 and HS512. Any of them will do.
	Secrets []string
	// JWKS is the http or https URL, or the path, of a JSON Web Key Set for
	// RS256, ES256 and EdDSA. Empty: none.
	JWKS string
	// Issuer must be the token's iss, Audience among its aud. Empty: unchecked.
	Issuer, Audience string
	// Claim names the user. Empty: sub.
	Claim string
	// WatchClaim names the claim with the users whom the bearer may watch. Empty:
	// anybody.
	WatchClaim string
	// Log gets no token, no key and no user id. Nil: nothing is logged.
	Log *slog.Logger
}

// A Verifier checks tokens. Make it with New. It is safe for concurrent use.
type Verifier struct {
	parser  *jwt.Parser
	secrets jwt.VerificationKeySet
	source  *keySource // nil without a key set
	claim   string
	watch   string // a claim; may be empty
}

// New makes a Verifier, which the caller must Close. A key set's URL is asked
// before New returns, which may take five seconds. That it does not answer is no
// error: it is logged, tried again, and until then its tokens are refused. A file
// that is not a key set is an error.
func New(opts Options) (*Verifier, error) {
	return newVerifier(opts, fetchPace, filePace)
}

func newVerifier(opts Options, fetch, file pace) (*Verifier, error) {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v := &Verifier{claim: opts.Claim, watch: opts.WatchClaim}
	if v.claim == "" {
		v.claim = "sub"
	}
	var methods []string
	for i, secret := range opts.Secrets {
		if strings.TrimSpace(secret) == "" {
			return nil, fmt.Errorf("secret %d is empty", i+1)
		}
		if len(secret) < minSecret {
			log.Warn("token secret is short", "secret", i+1, "recommended", minSecret)
		}
		v.secrets.Keys = append(v.secrets.Keys, []byte(secret))
	}
	if len(opts.Secrets) > 0 {
		methods = append(methods, "HS256", "HS384", "HS512")
	}
	if opts.JWKS != "" {
		source, err := openKeySource(opts.JWKS, fetch, file, log)
		if err != nil {
			return nil, fmt.Errorf("key set: %w", err)
		}
		v.source = source
		methods = append(methods, algRSA, algECDSA, algEd25519)
	}
	if len(methods) == 0 {
		return nil, errors.New("neither a secret nor a key set")
	}
	checks := []jwt.ParserOption{
		jwt.WithValidMethods(methods),
		jwt.WithStrictDecoding(),
		jwt.WithLeeway(leeway),
		jwt.WithIssuedAt(),
	}
	if opts.Issuer != "" {
		checks = append(checks, jwt.WithIssuer(opts.Issuer))
	}
	if opts.Audience != "" {
		checks = append(checks, jwt.WithAudience(opts.Audience))
	}
	v.parser = jwt.NewParser(checks...)
	return v, nil
}

// Close ends the refreshing of the key set, and waits for it. It may be called
// twice; tokens are verified with the last keys after it.
func (v *Verifier) Close() {
	if v.source != nil {
		v.source.close()
	}
}

// A Grant is what a token allows: to be registered as UserID until Expires.
type Grant struct {
	UserID string
	// watch are the users whom the bearer may watch; nil: anybody.
	watch map[string]struct{}
	// Expires is the token's exp plus the leeway of 30 s: when Verify begins to
	// refuse the token, and when a registration made with it ends. Zero: never.
	Expires time.Time
}

// Ends is when a registration that is made now ends: when the token's exp says
// so or, where that has passed already, with the leeway. Expires must be set.
func (g *Grant) Ends(now time.Time) time.Time {
	if exp := g.Expires.Add(-leeway); now.Before(exp) {
		return exp
	}
	return g.Expires
}

// MayWatch reports whether the bearer may watch the user.
func (g *Grant) MayWatch(id string) bool {
	_, listed := g.watch[id]
	return g.watch == nil || listed
}

// Over reports whether the grant has expired.
func (g *Grant) Over(now time.Time) bool { return !g.Expires.IsZero() && !now.Before(g.Expires) }

var (
	// ErrUndecided says that a token's key is not in the key set as it was last
	// read. Await decides.
	ErrUndecided = errors.New("key not known yet")
	// ErrUnavailable says that a token cannot be checked, because the key set
	// cannot be read.
	ErrUnavailable = errors.New("key set unavailable")
)

// awaitTimeout is how long Await waits.
const awaitTimeout = 2 * time.Second

// Await is Verify for a token that was ErrUndecided: it waits for the key set to
// be read again, 2 seconds at most. Its error is ErrUnavailable where the set
// could not be read, which says nothing about the token.
func (v *Verifier) Await(token string) (Grant, error) {
	timeout := time.NewTimer(awaitTimeout)
	defer timeout.Stop()
	for {
		read := v.source.reading()
		grant, err := v.Verify(token) // which asks for a reading
		if !errors.Is(err, ErrUndecided) {
			return grant, err
		}
		select {
		case <-read:
		case <-timeout.C:
			return Grant{}, ErrUnavailable
		}
		if v.source.down.Load() {
			continue
		}
		if grant, err = v.Verify(token); errors.Is(err, ErrUndecided) {
			return Grant{}, err // of a key that the issuer does not have either
		}
		return grant, err
	}
}

// Verify checks a token, and never waits. The error is for the log only: it
// holds nothing of the token, and clients get no reason. It is ErrUndecided for a
// token signed with a key that the set does not hold; the set is then read again
// soon.
func (v *Verifier) Verify(token string) (Grant, error) {
	if token == "" {
		return Grant{}, errors.New("no token")
	}
	if len(token) > maxToken {
		return Grant{}, fmt.Errorf("token has %d bytes", len(token))
	}
	claims := jwt.MapClaims{}
	if _, err := v.parser.ParseWithClaims(token, claims, v.key); errors.Is(err, jwt.ErrTokenMalformed) {
		return Grant{}, jwt.ErrTokenMalformed // the rest of err may quote the token
	} else if err != nil {
		return Grant{}, err
	}
	if err := checkTimes(claims); err != nil {
		return Grant{}, err
	}
	grant := Grant{}
	if exp, ok := claims["exp"].(float64); ok {
		grant.Expires = time.Unix(int64(exp), 0).Add(leeway)
		if !time.Now().Before(grant.Expires) {
			return Grant{}, jwt.ErrTokenExpired
		}
	}
	grant.UserID, _ = claims[v.claim].(string)
	if grant.UserID == "" {
		return Grant{}, fmt.Errorf("claim %q is missing, empty or no string", v.claim)
	}
	// Decoding JSON turns all that is not Unicode, such as lone surrogates, into
	// this one character, and so different names into one.
	if strings.ContainsRune(grant.UserID, utf8.RuneError) {
		return Grant{}, fmt.Errorf("claim %q is not all Unicode", v.claim)
	}
	grant.watch = watchable(claims, v.watch)
	return grant, nil
}

// watchable reads the claim with the users whom a token allows to watch: a list, of
// which all that is not a string allows nobody. Without the claim the result is nil.
func watchable(claims jwt.MapClaims, claim string) map[string]struct{} {
	value, ok := claims[claim]
	if claim == "" || !ok {
		return nil
	}
	ids := make(map[string]struct{})
	list, _ := value.([]any)
	for _, id := range list {
		if id, ok := id.(string); ok {
			ids[id] = struct{}{}
		}
	}
	return ids
}

// maxTime is the end of the year 9999 in seconds.
const maxTime = 253402300799

// checkTimes refuses the times that the library misreads: it takes an exp of 0
// for none, and numbers that overflow for some time in the past or future.
func checkTimes(claims jwt.MapClaims) error {
	for _, name := range [...]string{"exp", "nbf", "iat"} {
		value, ok := claims[name]
		if !ok {
			continue
		}
		if seconds, ok := value.(float64); !ok || math.Abs(seconds) > maxTime {
			return fmt.Errorf("claim %q is not a valid time", name)
		}
	}
	return nil
}

// key finds what the token's signature is checked with. Its algorithm is one of
// ours already.
func (v *Verifier) key(t *jwt.Token) (any, error) {
	// RFC 7515, section 4.1.11: we understand no extension, so none may be a must.
	if _, ok := t.Header["crit"]; ok {
		return nil, errors.New("token has critical headers")
	}
	if _, ok := t.Method.(*jwt.SigningMethodHMAC); ok {
		return v.secrets, nil
	}
	kid, named := t.Header["kid"]
	name, ok := kid.(string)
	if named && !ok {
		return nil, errors.New("kid is not a string")
	}
	return v.source.find(t.Method.Alg(), name)
}

// Bearer returns the token of the header Authorization: Bearer, and "" for a
// request that has none or several such headers.
func Bearer(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.Trim(token, " ")
}
