package server

import (
	"crypto/x509"
	"time"

	"github.com/oodaa/signaling/middleware"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/cluster"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/turn"
	"github.com/oodaa/signaling/server/volli"
)

// Options configure a Server. There are no defaults here: every field counts.
type Options struct {
	Origins     []string           // allowed Origins of web clients; "*" for all
	PublicHosts []string           // names that clients reach the server by
	BasePath    string             // prefix of all routes, such as "/signal"; may be empty
	Proxies     middleware.Proxies // whose X-Forwarded-For is believed
	// ProxyProtocol says that the nearest proxy names its clients by the PROXY
	// protocol, so that their connections have their addresses already.
	ProxyProtocol bool

	RateLimit    int // requests and connections a minute and client IP; 0 no limit
	MessageRate  int // packets per second per connection; 0 no limit
	MessageBurst int
	ByteRate     int // bytes per second per connection; 0 no limit
	ByteBurst    int

	MaxMessage     int // bytes of one message, either way
	MaxOutbox      int // memory that may wait for one client
	MaxHeld        int // memory that is held for and from all clients; 0 no limit
	MaxConnections int // 0 no limit
	// MaxConnectionsPerIP is how many one client IP may have; 0 no limit.
	MaxConnectionsPerIP int

	PingInterval, PingTimeout time.Duration
	RegisterTimeout           time.Duration // 0 none
	// InactivityTimeout is at least PingInterval + PingTimeout, and so holds
	// by the heartbeat: who sends nothing at all misses that first.
	InactivityTimeout time.Duration

	// ReconnectGrace is how long a user whose connection broke counts as there;
	// 0: not at all.
	ReconnectGrace time.Duration

	Presence           bool // see hub.Options
	Watched            bool
	Engine             func(socketio.Options) (socketio.Engine, error)
	WebSocket, Polling bool // Socket.IO transports that are offered

	// Redis, where not nil, makes all instances with the same one and the same
	// RedisPrefix one server. NodeID names this one; it may be empty.
	Redis               *cluster.Address
	RedisAuthorities    *x509.CertPool // nil: the system's
	RedisPrefix, NodeID string

	// Tokens, where it has secrets or a key set, says which tokens clients need.
	Tokens auth.Options
	// KeyProof is when Volli's clients have to prove that they hold their key.
	KeyProof volli.Proof

	// ICE is what clients are told of STUN and TURN servers, besides the
	// built-in one.
	ICE turn.ICE
	// TURN, where it says where to listen, starts the built-in server; its
	// secret is ICE's, and its public IP, where there is none, is found out.
	TURN turn.Options

	// Metrics are served at /metrics; without, elsewhere (Server.Metrics) or not
	// at all.
	Metrics bool

	// CertificateExpires is when the certificate does; nil where there is none.
	CertificateExpires func() time.Time

	StatusPages bool // serve the pages for people: /demo and /status

	// SecurityContact is the URL that security.txt names; empty: there is none.
	SecurityContact string

	// ClientScripts is where /socket.io/socket.io.js redirects to: a file, or a
	// directory with that file, which ends with a slash. Empty: nowhere.
	ClientScripts string
}
