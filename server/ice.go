package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/oodaa/signaling/errcode"
	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/turn"
)

// newTURN starts the built-in TURN server, where there is to be one, and gets
// ready to tell clients of it and of all others.
func (s *Server) newTURN() (err error) {
	s.ice = s.opts.ICE
	opts := s.opts.TURN
	if opts.Listen == "" && opts.ListenTLS == "" {
		return nil
	}
	if !opts.PublicIP.IsValid() {
		if opts.PublicIP, err = s.findPublicIP(); err != nil {
			return err
		}
	}
	if s.ice.Secret == "" {
		s.ice.Secret = rand.Text() // known to this process only
	}
	opts.Secret, opts.Log = s.ice.Secret, s.log
	if s.turn, err = turn.Listen(opts); err != nil {
		return err
	}
	s.ice.TURN = append(slices.Clone(s.ice.TURN), s.turn.URLs()...)
	return nil
}

// findPublicIP finds out where clients reach the TURN server.
func (s *Server) findPublicIP() (netip.Addr, error) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var by string
	if len(s.opts.ICE.STUN) > 0 {
		by = s.opts.ICE.STUN[0]
	}
	ip, err := turn.FindPublicIP(ctx, cmp.Or(s.opts.TURN.Listen, s.opts.TURN.ListenTLS), by)
	if err != nil {
		return ip, fmt.Errorf("TURN_PUBLIC_IP=auto: %w: set it to the address that clients reach", err)
	}
	s.log.Info("turn: found the public address", "public", ip.String())
	return ip, nil
}

// iceServers answers GET /ice-servers: to whom has a token, where one is
// needed.
func (s *Server) iceServers(w http.ResponseWriter, r *http.Request) {
	user := ""
	if s.tokens != nil {
		token := auth.Bearer(r)
		grant, err := s.tokens.Verify(token)
		if errors.Is(err, auth.ErrUndecided) {
			grant, err = s.tokens.Await(token)
		}
		if errors.Is(err, auth.ErrUnavailable) {
			unavailable().Write(w)
			return
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answerError(w, http.StatusUnauthorized, errcode.Unauthorized, events.Text(hub.Unauthorized))
			return
		}
		user = grant.UserID
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = fmt.Fprintf(w, "%s\n", s.ice.AppendServers(nil, user, time.Now()))
}
