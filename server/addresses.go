package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/middleware"
)

// addresses counts the connections of each client address, so that one address
// cannot take all of them. The addresses are those that middleware.LimitKey makes
// alike.
type addresses struct {
	limit   int // 0: nothing is counted
	proxies middleware.Proxies
	log     *slog.Logger
	refused atomic.Uint64

	mu     sync.Mutex
	held   map[string]*holding
	warned time.Time
}

// A holding is what one address has.
type holding struct {
	tcp       int // TCP connections that are not clients, or not yet
	websocket int
	polling   int // long-polling sessions, which have TCP connections now and then
}

func (h *holding) total() int { return h.websocket + max(h.tcp, h.polling) }

// A kind is one of a holding's counts.
type kind func(*holding) *int

func tcp(h *holding) *int       { return &h.tcp }
func webSocket(h *holding) *int { return &h.websocket }
func polling(h *holding) *int   { return &h.polling }

// warnInterval is how often an address that is close to its limit is logged.
const warnInterval = time.Minute

// add counts one more of its kind, and reports whether the address is within its
// limit, not counting so many that it is about to give up. The caller owes a
// remove either way.
func (a *addresses) add(address string, of kind, spare int) bool {
	if a.limit == 0 {
		return true
	}
	a.mu.Lock()
	h := a.held[address]
	if h == nil {
		if a.held == nil {
			a.held = make(map[string]*holding)
		}
		h = new(holding)
		a.held[address] = h
	}
	*of(h)++
	total := h.total() - spare
	now := time.Now()
	warn := total >= a.limit-a.limit/5 && now.Sub(a.warned) >= warnInterval
	if warn {
		a.warned = now
	}
	a.mu.Unlock()
	if warn {
		a.log.Warn("client address close to MAX_CONNECTIONS_PER_IP, further connections will be refused with 429",
			"address", address, "connections", total, "limit", a.limit)
	}
	if total > a.limit {
		a.refused.Add(1)
		return false
	}
	return true
}

func (a *addresses) remove(address string, of kind) {
	if a.limit == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.held[address]
	*of(h)--
	if *h == (holding{}) {
		delete(a.held, address)
	}
}

// watch counts TCP connections from when they are accepted. One too many is
// closed, since nothing was asked yet that could be answered.
func (a *addresses) watch(c net.Conn, state http.ConnState) {
	address, ok := a.direct(c.RemoteAddr())
	if !ok {
		return
	}
	switch state {
	case http.StateNew:
		if !a.add(address, tcp, 0) {
			_ = c.Close() // net/http reports its end
		}
	case http.StateHijacked, http.StateClosed:
		a.remove(address, tcp)
	}
}

// direct is the address of a peer that is a client itself, and not a proxy. With a
// number of hops that cannot be told.
func (a *addresses) direct(peer net.Addr) (address string, ok bool) {
	tcp, isTCP := peer.(*net.TCPAddr)
	if a.limit == 0 || !isTCP {
		return "", false
	}
	ip, isIP := netip.AddrFromSlice(tcp.IP)
	if !isIP || a.proxies.TrustAddr(ip) {
		return "", false
	}
	return middleware.LimitKey(ip), true
}
