package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A tokenRequest is what `signald token` is asked for.
type tokenRequest struct {
	user string
	ttl  time.Duration
}

func (r *tokenRequest) define(flags *flag.FlagSet) {
	flags.StringVar(&r.user, "user", "", "")
	flags.DurationVar(&r.ttl, "ttl", time.Hour, "")
}

// write prints a token that a server with this configuration accepts.
func (r *tokenRequest) write(w io.Writer, c *config) error {
	switch {
	case r.user == "":
		return usageError{errors.New("token: needs -user, the user ID that the token is for")}
	case r.ttl <= 0:
		return usageError{errors.New("token: -ttl must be positive, such as 1h")}
	case len(c.Tokens.Secrets) == 0:
		return usageError{errors.New("token: needs AUTH_JWT_SECRET, which it signs with")}
	}
	now := time.Now()
	claims := jwt.MapClaims{c.Tokens.Claim: r.user, "iat": now.Unix(), "exp": now.Add(r.ttl).Unix()}
	if c.Tokens.Issuer != "" {
		claims["iss"] = c.Tokens.Issuer
	}
	if c.Tokens.Audience != "" {
		claims["aud"] = c.Tokens.Audience
	}
	// The first secret is the newest: others are there for tokens that are still
	// in use.
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(c.Tokens.Secrets[0]))
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	_, err = fmt.Fprintln(w, token)
	return err
}
