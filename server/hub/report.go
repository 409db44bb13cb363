package hub

import (
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// The instance that had a name before may have relays for it that the device has not
// acknowledged. These are older than what the other instances send to the name, which
// therefore waits until that one has reported.

// reportTime is how long a report is waited for: until the end of the lease that the
// other instance had.
const reportTime = 3 * time.Second

// A report is that of another instance on a name, while it is waited for.
type report struct {
	hub      *Hub
	user     *User
	hold     *hold
	deadline wire.Deadline
}

// await has the hold of u wait for a report. h.mu is held, and nobody else knows of u.
func (h *Hub) await(kept *hold, u *User, reporter string) {
	kept.reporter = reporter
	r := &report{hub: h, user: u, hold: kept}
	h.deadlines.Set(&r.deadline, time.Now().Add(reportTime), r)
}

// Expired goes on without the report.
func (r *report) Expired(time.Time) { r.hub.reported(r.user, r.hold) }

// Reported takes note that another instance has handed over all that it had for a name
// when a registration of ours took it.
func (h *Hub) Reported(id string, epoch uint64) {
	if u := h.Find([]byte(id)); u != nil && u.Instance == "" && u.Epoch == epoch {
		h.reported(u, u.waiting.Load())
	}
}

// reported delivers what waited for a report on u.
func (h *Hub) reported(u *User, kept *hold) {
	if kept == nil {
		return
	}
	kept.mu.Lock()
	waited := kept.reporter != ""
	kept.settle()
	kept.mu.Unlock()
	if waited {
		h.deliver(u)
	}
}

// settle ends the waiting for a report. h.mu is held.
func (h *hold) settle() {
	if h.reporter != "" {
		h.reporter = ""
		h.queue = append(h.reported, h.queue...)
		h.reported = nil
	}
}
