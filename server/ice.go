package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/turn"
)

// newTURN starts the built-in TURN server, where there is to be one, and gets
// ready to tell clients of it and of all others.
func (s *Server) newTURN() (err error) {
	s.ice = s.opts.ICE
	if s.opts.TURN.Listen == "" {
		return nil
	}
	opts := s.opts.TURN
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
			refusal(http.StatusServiceUnavailable, events.Unavailable.OodaaText(0, nil)).Write(w)
			return
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, map[string]string{"error": events.Unauthorized.OodaaText(0, nil)})
			return
		}
		user = grant.UserID
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = fmt.Fprintf(w, "%s\n", s.ice.AppendServers(nil, user, time.Now()))
}
