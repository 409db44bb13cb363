package proxyproto

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

// v2 is a header of version 2 with what follows its length.
func v2(command, family byte, rest ...byte) string {
	return string(proxyproto.SIGV2) + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + string(rest)
}

var (
	ipv4 = []byte{203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x34, 1, 187}
	ipv6 = append(append(net.ParseIP("2001:db8::9"), net.ParseIP("::1")...), 0x12, 0x34, 1, 187)
)

var headers = []struct {
	name, header string
	source       string // empty: the proxy's own; "-": refused
}{
	{"v1 IPv4", "PROXY TCP4 203.0.113.9 10.0.0.1 4660 443\r\n", "203.0.113.9:4660"},
	{"v1 IPv6", "PROXY TCP6 2001:db8::9 ::1 4660 443\r\n", "[2001:db8::9]:4660"},
	{"v1 IPv6, by nginx to IPv4", "PROXY TCP6 2001:db8::9 10.0.0.1 4660 443\r\n", "[2001:db8::9]:4660"},
	{"v1 unknown", "PROXY UNKNOWN\r\n", ""},
	{"v1 unknown, longest", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", ""},
	{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n", "-"},
	{"v1 without an end", "PROXY TCP4 " + strings.Repeat("1", 200), "-"},
	{"v1 no address", "PROXY TCP4 localhost 10.0.0.1 4660 443\r\n", "-"},
	{"v1 no port", "PROXY TCP4 203.0.113.9 10.0.0.1 99999 443\r\n", "-"},
	{"v1 IPv6 in TCP4", "PROXY TCP4 2001:db8::9 10.0.0.1 4660 443\r\n", "-"},
	{"v1 no protocol", "PROXY UDP4 203.0.113.9 10.0.0.1 4660 443\r\n", "-"},
	{"v1 line feed alone", "PROXY TCP4 203.0.113.9 10.0.0.1 4660 443\n", "-"},
	{"v2 IPv4", v2(0x21, 0x11, ipv4...), "203.0.113.9:4660"},
	{"v2 IPv6", v2(0x21, 0x21, ipv6...), "[2001:db8::9]:4660"},
	{"v2 with TLVs", v2(0x21, 0x11, append(ipv4, 4, 0, 3, 1, 2, 3)...), "203.0.113.9:4660"},
	{"v2 longest", v2(0x21, 0x11, append(append(ipv4, 4, 4080>>8-0, 4080&255-15), make([]byte, 4065)...)...), "203.0.113.9:4660"},
	{"v2 too long", v2(0x21, 0x11, append(ipv4, make([]byte, 5000)...)...), "-"},
	{"v2 local", v2(0x20, 0), ""},
	{"v2 local with addresses", v2(0x20, 0x11, ipv4...), ""},
	{"v2 no family", v2(0x21, 0), "-"}, // as the specification leaves open
	{"v2 UDP", v2(0x21, 0x12, ipv4...), ""},
	{"v2 cut short", v2(0x21, 0x11, ipv4[:8]...), "-"},
	{"v2 version 3", v2(0x31, 0x11, ipv4...), "-"},
	{"v2 unknown command", v2(0x22, 0x11, ipv4...), "-"},
}

// What follows a header is left for the next reader, to the byte.
func TestReadHeader(t *testing.T) {
	const next = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, test := range headers {
		t.Run(test.name, func(t *testing.T) {
			r := strings.NewReader(test.header + next)
			source, ahead, err := readHeader(r)
			if test.source == "-" {
				if err == nil {
					t.Fatalf("accepted: %v", source)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := text(source); got != test.source {
				t.Errorf("source %q", got)
			}
			if rest, _ := io.ReadAll(r); string(rest) != next || ahead != nil {
				t.Errorf("left %q, ahead %q", rest, ahead)
			}
		})
	}
	for _, plain := range []string{next, "POST /x HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + next, "\r\n\r\n\x00\r\nGET / HTTP/1.1"} {
		r := strings.NewReader(plain)
		source, ahead, err := readHeader(r)
		if rest, _ := io.ReadAll(r); source != nil || err != nil || string(ahead)+string(rest) != plain {
			t.Errorf("%q: source %v, ahead %q, error %v", plain, source, ahead, err)
		}
	}
	for n := range headers[0].header {
		if source, ahead, err := readHeader(strings.NewReader(headers[0].header[:n])); err == nil {
			t.Errorf("after %d bytes: source %v, ahead %q", n, source, ahead)
		}
	}
}

func text(a *net.TCPAddr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// Nothing is read that does not belong to the header, nothing is lost, and the
// library, given all at once, reads the same.
func FuzzReadHeader(f *testing.F) {
	for _, h := range headers {
		f.Add([]byte(h.header + "GET / HTTP/1.1\r\n\r\n"))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		r := bytes.NewReader(p)
		source, ahead, err := readHeader(r)
		consumed := len(p) - r.Len()
		if consumed > maxHeaderV2 {
			t.Fatalf("read %d bytes", consumed)
		}
		if err != nil {
			return
		}
		if ahead != nil {
			if !bytes.Equal(ahead, p[:consumed]) {
				t.Fatalf("read %q, gave back %q", p[:consumed], ahead)
			}
			return
		}
		whole := bufio.NewReaderSize(bytes.NewReader(p), len(p))
		parsed, err := proxyproto.Read(whole)
		if err != nil {
			t.Fatalf("accepted what the library refuses: %v", err)
		}
		rest, err := io.ReadAll(whole)
		if err != nil || len(rest) != r.Len() {
			t.Fatalf("left %d bytes, the library %d", r.Len(), len(rest))
		}
		want, _, _ := parsed.TCPAddrs()
		if parsed.Command.IsLocal() {
			want = nil
		}
		if text(source) != text(want) {
			t.Fatalf("source %v, want %v", source, want)
		}
	})
}
