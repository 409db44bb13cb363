package socketio

import "time"

// pong takes note of a heartbeat reply, and reports whether it answers a ping that
// has left. Only then does it count as life.
func (s *Session) pong() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil || !s.asked.answered() {
		return false
	}
	if !s.ended() {
		s.asked = nil
		s.engine.deadlines.SetHeartbeat(&s.heartbeat, time.Now(), s.engine.opts.PingInterval, s)
	}
	return true
}

// Expired is the heartbeat (Engine.IO protocol 4, "Heartbeat"): a ping is due,
// or its pong is overdue. At the end of a session, it is that of the time for
// fetching the rest.
func (s *Session) Expired(at time.Time) {
	s.mu.Lock()
	if s.ended() {
		held := s.polling.releaseLast()
		s.mu.Unlock()
		if !held {
			s.forget()
		}
		return
	}
	paused := s.pausedSince(&s.paused)
	if s.asked == nil {
		asked := s.transport()
		s.asked = asked
		s.engine.deadlines.Set(&s.heartbeat, at.Add(s.engine.opts.PingTimeout), s)
		s.mu.Unlock()
		asked.ping()
		return
	}
	due := s.asked.pongDue(at, paused)
	late := !time.Now().Before(due)
	if !late {
		s.engine.deadlines.Set(&s.heartbeat, due, s)
	}
	s.mu.Unlock()
	if late {
		s.abort("ping timeout")
	}
}

// pausedSince is for how long the session was not read, because of its budget,
// since the last call with the same mark: its clocks stand still then.
func (s *Session) pausedSince(mark *time.Duration) time.Duration {
	before := *mark
	*mark = s.budget.Paused()
	return *mark - before
}
