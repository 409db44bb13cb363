package certs

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Redirect answers every request with a redirect to the same host, path and
// query over HTTPS: 301 for GET and HEAD, 308 for other methods, which keeps
// them and their bodies. httpsPort is where HTTPS is reached from outside. A
// Host that is neither a name nor an address gets 400, one that is not known 421:
// then nobody can be sent anywhere else.
func Redirect(httpsPort int, known func(host string) bool) http.Handler {
	port := ""
	if httpsPort != 443 {
		port = ":" + strconv.Itoa(httpsPort)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, ok := hostname(r.Host)
		switch {
		case !ok || r.Method == http.MethodConnect:
			http.Error(w, "Bad request", http.StatusBadRequest)
			return
		case !known(host):
			http.Error(w, "Misdirected request", http.StatusMisdirectedRequest)
			return
		}
		path := r.URL.EscapedPath()
		if !strings.HasPrefix(path, "/") {
			path = "/" // an absolute target without a path
		}
		if r.URL.RawQuery != "" {
			// A request has no fragment (RFC 9112, section 3.2).
			path += "?" + strings.ReplaceAll(r.URL.RawQuery, "#", "%23")
		}
		status := http.StatusPermanentRedirect
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			status = http.StatusMovedPermanently
		}
		http.Redirect(w, r, "https://"+host+port+path, status)
	})
}

// nameChars are what labels are made of. Underscores are no host names' (RFC
// 1123, section 2.1), but container networks use them.
const nameChars = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// hostname is the host of a Host header (RFC 9110, section 7.2) as it stands in
// URLs: without the port, in lower case, without a dot at its end, IPv6
// addresses in brackets. ok is false for what is not a host.
func hostname(header string) (host string, ok bool) {
	host = header
	if i := strings.LastIndexByte(header, ':'); i > strings.LastIndexByte(header, ']') {
		host = header[:i]
		if strings.Trim(header[i+1:], "0123456789") != "" {
			return "", false
		}
	}
	if inner, found := strings.CutPrefix(host, "["); found {
		inner, found = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !found || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		return "[" + addr.String() + "]", true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if len(host) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, nameChars) != "" {
			return "", false
		}
	}
	return host, true
}
