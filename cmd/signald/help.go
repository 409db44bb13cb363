package main

import (
	"fmt"
	"io"
	"strings"
)

// A group is the settings on one subject, in the order in which -help and
// docs/configuration.md show them.
type group struct {
	name     string
	settings []string
}

var groups = []group{
	{"Network", []string{"PORT", "HOST", "BASE_PATH", "PUBLIC_HOSTS", "CORS_ORIGINS", "TRUSTED_PROXIES", "PROXY_PROTOCOL", "TRANSPORTS", "ENGINE", "PRESENCE", "RECONNECT_GRACE", "PING_INTERVAL", "PING_TIMEOUT"}},
	{"Limits", []string{
		"RATE_LIMIT", "MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_IP", "MESSAGE_RATE", "MESSAGE_BURST", "BYTE_RATE", "BYTE_BURST", "MAX_MESSAGE_BYTES", "MAX_OUTBOX_BYTES", "MAX_HELD_BYTES",
		"REGISTER_TIMEOUT", "INACTIVITY_TIMEOUT",
	}},
	{"Sign-in", []string{"AUTH_JWT_SECRET", "AUTH_JWKS", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_CLAIM", "WATCH_CLAIM", "KEY_PROOF"}},
	{"TLS", []string{"TLS_CERT_FILE", "TLS_KEY_FILE", "ACME_DOMAINS", "ACME_EMAIL", "ACME_CACHE_DIR", "ACME_DIRECTORY_URL", "HTTP_REDIRECT_ADDR"}},
	{"TURN", []string{
		"STUN_URLS", "TURN_URLS", "TURN_SECRET", "TURN_TTL", "TURN_LISTEN", "TURN_TLS_LISTEN", "TURN_PUBLIC_IP", "TURN_PUBLIC_HOST",
		"TURN_RELAY_PORTS", "TURN_REALM", "TURN_MAX_ALLOCATIONS", "TURN_MAX_BANDWIDTH", "TURN_ALLOW_PRIVATE",
	}},
	{"Cluster", []string{"REDIS_URL", "REDIS_CA_FILE", "REDIS_PREFIX", "NODE_ID"}},
	{"Operations", []string{
		"NODE_ENV", "LOG_LEVEL", "STATUS_PAGES", "SECURITY_CONTACT", "CLIENT_SCRIPT_URL", "METRICS_ADDR", "DEBUG_ADDR", "DRAIN_DELAY", "SHUTDOWN_TIMEOUT",
	}},
}

const usage = `signald is a WebRTC signaling server for Socket.IO clients (Oodaa) and plain
WebSocket clients (Volli).

Usage:
  signald [command] [-setting value ...]

Examples:
  signald                                             serve on http://localhost:3001
  CORS_ORIGINS=https://app.example.com signald        accept browsers from this site
  signald -port 8080 -trusted-proxies 1               serve behind one proxy
  REDIS_URL=redis://localhost:6379 signald            share users with other instances
  signald check                                       validate the configuration
  signald token -user alice -ttl 1h                   sign a token for a user

Commands (without one, signald serves; check, health, version and help may also
be written as flags, such as -check):
  check       validate the configuration, print what would run, and exit
  health      ask the server on this machine for its health, and exit
  token       print a token for the user -user, valid for -ttl (1h), signed with
              AUTH_JWT_SECRET
  version     print the version and exit
  help        print this text and exit

Every setting is an environment variable and a flag. Flags take precedence.
`

// printHelp writes what -help shows: each setting with its variable, flag,
// default and meaning.
func printHelp(w io.Writer) error {
	var b strings.Builder
	b.WriteString(usage)
	for _, g := range groups {
		fmt.Fprintf(&b, "\n%s:\n", g.name)
		for _, name := range g.settings {
			s := find(name)
			fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %-24s -%-24s %s", s.name, flagName(s.name), s.value), " "))
			for _, line := range wrap(s.usage, 72) {
				fmt.Fprintf(&b, "      %s\n", line)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// find returns the setting of that name.
func find(name string) setting {
	for _, s := range settings {
		if s.name == name {
			return s
		}
	}
	panic("no setting " + name)
}

// wrap breaks a text into lines of at most width bytes, between words.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
