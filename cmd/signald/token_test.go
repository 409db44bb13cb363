package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const secretForTests = "a secret of more than thirty-two bytes"

// A server takes the token of a user that `signald token` prints, and no other's.
func TestTokenIsAccepted(t *testing.T) {
	settings := map[string]string{
		"AUTH_JWT_SECRET": secretForTests + ",an older secret of thirty-two bytes", "AUTH_CLAIM": "uid", "AUTH_ISSUER": "me", "AUTH_AUDIENCE": "us",
	}
	token := func(env map[string]string, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if err := run(context.Background(), append([]string{"token"}, args...), environ(env), &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out.String())
	}
	p := launch(t, settings)
	defer p.stop()
	for name, test := range map[string]struct {
		token string
		want  int
	}{
		"of the same settings": {token(settings, "-user", "alice", "-ttl", "1h"), 200},
		"of another secret":    {token(map[string]string{"AUTH_JWT_SECRET": "x" + secretForTests}, "-user", "alice"), 401},
	} {
		if got := status(t, "http://"+p.addr+"/ice-servers", test.token); got != test.want {
			t.Errorf("%s: %d", name, got)
		}
	}

	claims := jwt.MapClaims{}
	_, _, err := jwt.NewParser().ParseUnverified(token(settings, "-user", "alice", "-ttl", "90m"), claims)
	if err != nil {
		t.Fatal(err)
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(expires.Time); claims["uid"] != "alice" || claims["iss"] != "me" || claims["aud"] != "us" || left < 89*time.Minute || left > 91*time.Minute {
		t.Errorf("claims %v", claims)
	}
}

func TestTokenNeedsUserAndSecret(t *testing.T) {
	with := environ(map[string]string{"AUTH_JWT_SECRET": secretForTests})
	for name, test := range map[string]struct {
		env  environment
		args []string
		want string
	}{
		"no user":     {with, []string{"token"}, "-user"},
		"no secret":   {noEnv, []string{"token", "-user", "alice"}, "AUTH_JWT_SECRET"},
		"no time":     {with, []string{"token", "-user", "alice", "-ttl", "0s"}, "-ttl"},
		"not a time":  {with, []string{"token", "-user", "alice", "-ttl", "soon"}, "-ttl"},
		"not a token": {with, []string{"-user", "alice"}, "-user"},
		"no command":  {noEnv, []string{"tokens"}, `"tokens"`},
		"two":         {noEnv, []string{"check", "health"}, `"health"`},
		"behind":      {noEnv, []string{"-port", "1", "check"}, `"check"`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(context.Background(), test.args, test.env, &out, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, new(usageError)) || out.Len() > 0 {
				t.Errorf("error %v, printed %q", err, &out)
			}
			if err != nil && strings.Contains(err.Error(), secretForTests) {
				t.Errorf("shows the secret: %v", err)
			}
		})
	}
}

// A command and the flag of the same name are the same.
func TestCommandsAreFlags(t *testing.T) {
	env := environment{"PORT=4000", "NODE_ID=n"}
	for _, command := range []string{"check", "version", "help"} {
		var byFlag, byName bytes.Buffer
		if err := run(context.Background(), []string{"-" + command, "-rate-limit", "7"}, env, &byFlag, io.Discard); err != nil {
			t.Fatal(err)
		}
		if err := run(context.Background(), []string{command, "-rate-limit", "7"}, env, &byName, io.Discard); err != nil {
			t.Fatal(err)
		}
		if byName.String() != byFlag.String() || byName.Len() == 0 {
			t.Errorf("signald %s prints\n%s\nsignald -%s\n%s", command, &byName, command, &byFlag)
		}
	}
}

// status is what a server answers a request with a token.
func status(t *testing.T, url, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}
