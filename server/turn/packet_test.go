package turn

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"testing"

	"github.com/pion/stun/v4"
)

// message is a STUN message of the type with attributes, each given with its
// length as it is claimed.
func message(kind uint16, attributes ...[]byte) []byte {
	body := slices.Concat(attributes...)
	m := binary.BigEndian.AppendUint16(nil, kind)
	m = binary.BigEndian.AppendUint16(m, uint16(len(body)))
	m = binary.BigEndian.AppendUint32(m, stunCookie)
	m = append(m, "transaction!"...)
	return append(m, body...)
}

func attribute(kind, size uint16, value ...byte) []byte {
	a := binary.BigEndian.AppendUint16(nil, kind)
	a = binary.BigEndian.AppendUint16(a, size)
	return append(a, value...)
}

const sendIndication, bindingRequest = 0x0016, 0x0001

func TestWellFormed(t *testing.T) {
	ipv4 := []byte{0, familyIPv4, 1, 2, 3, 4, 5, 6}
	ipv6 := append([]byte{0, familyIPv6, 1, 2}, make([]byte, 16)...)
	cookie := message(bindingRequest)
	cookie[4]++
	for _, test := range []struct {
		name   string
		packet []byte
		want   bool
	}{
		{"binding request", message(bindingRequest), true},
		{"unknown attribute", message(bindingRequest, attribute(0x8022, 3, 'a', 'b', 'c', 0)), true},
		{"IPv4 peer", message(sendIndication, attribute(xorPeerAddress, 8, ipv4...)), true},
		{"IPv6 peer", message(sendIndication, attribute(xorPeerAddress, 20, ipv6...)), true},
		{"peer and data", message(sendIndication, attribute(xorPeerAddress, 8, ipv4...), attribute(0x0013, 1, 'x', 0, 0, 0)), true},
		{"channel data", []byte{0x40, 0, 0, 1, 'x'}, true},
		{"channel data, empty", []byte{0x40, 0, 0, 0}, true},

		{"nothing", nil, false},
		{"one byte", []byte{0x40}, false},
		{"a header cut short", message(bindingRequest)[:19], false},
		{"another cookie", cookie, false},
		{"longer than it says", append(message(bindingRequest), 0, 0, 0, 0), false},
		{"shorter than it says", message(bindingRequest, attribute(0x8022, 4, 1, 2, 3, 4))[:24], false},
		{"not padded", message(bindingRequest, attribute(0x8022, 2, 1, 2)), false},
		{"an attribute longer than the message", message(bindingRequest, attribute(0x8022, 5, 1, 2, 3, 4)), false},
		{"the longest attribute", message(bindingRequest, attribute(0x8022, 0xffff, 1, 2, 3, 4)), false},
		{"RTP", append([]byte{0x80}, message(bindingRequest)[1:]...), false},
		{"peer without a value", message(sendIndication, attribute(xorPeerAddress, 0)), false},
		{"peer with a family alone", message(sendIndication, attribute(xorPeerAddress, 4, 0, familyIPv4, 1, 2)), false},
		{"peer one byte short", message(sendIndication, attribute(xorPeerAddress, 7, ipv4...)), false},
		{"peer of another family", message(sendIndication, attribute(xorPeerAddress, 8, 0, 3, 1, 2, 3, 4, 5, 6)), false},
		{"IPv6 peer, IPv4 length", message(sendIndication, attribute(xorPeerAddress, 8, 0, familyIPv6, 1, 2, 3, 4, 5, 6)), false},
		{"second peer without a value", message(sendIndication, attribute(xorPeerAddress, 8, ipv4...), attribute(xorPeerAddress, 0)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := wellFormed(test.packet); got != test.want {
				t.Errorf("got %v for % x", got, test.packet)
			}
		})
	}
}

// The library can take every packet that is let through.
func FuzzWellFormed(f *testing.F) {
	f.Add(message(bindingRequest))
	f.Add(message(sendIndication, attribute(xorPeerAddress, 8, 0, 1, 1, 2, 3, 4, 5, 6)))
	f.Add(message(sendIndication, attribute(0x0008, 0), attribute(xorPeerAddress, 0)))
	f.Fuzz(func(t *testing.T, p []byte) {
		if !wellFormed(p) || isChannelData(p[0]) {
			return
		}
		m := &stun.Message{Raw: slices.Clip(bytes.Clone(p))}
		if err := m.Decode(); err != nil {
			t.Fatalf("% x: %v", p, err)
		}
		err := m.ForEach(stun.AttrXORPeerAddress, func(m *stun.Message) error {
			return new(stun.XORMappedAddress).GetFromAs(m, stun.AttrXORPeerAddress)
		})
		if err != nil {
			t.Errorf("% x: %v", p, err)
		}
		if m.Contains(stun.AttrMessageIntegrity) {
			_ = stun.MessageIntegrity("key").Check(m) // must not panic
		}
	})
}

func TestStreamFrames(t *testing.T) {
	request := message(bindingRequest)
	big := attribute(0x8022, 2000, make([]byte, 2000)...)
	for _, test := range []struct {
		name string
		in   []byte
		want [][]byte
		bad  bool // ends as no TURN at all, not for the end of the input
	}{
		{"one", request, [][]byte{request}, false},
		{"two", slices.Concat(request, request), [][]byte{request, request}, false},
		{"channel data of four bytes, at once", []byte{0x40, 1, 0, 4, 'p', 'i', 'n', 'g'}, [][]byte{{0x40, 1, 0, 4, 'p', 'i', 'n', 'g'}}, false},
		{"padding is left out", []byte{0x40, 1, 0, 1, 'x', 0, 0, 0, 0x40, 1, 0, 0}, [][]byte{{0x40, 1, 0, 1, 'x'}, {0x40, 1, 0, 0}}, false},
		{"too long ones are skipped", slices.Concat(message(bindingRequest, big), request), [][]byte{request}, false},
		{"the longest channel data", slices.Concat([]byte{0x40, 1, 0xff, 0xfc}, make([]byte, 0xfffc), request), [][]byte{request}, false},
		{"longer, with padding", slices.Concat([]byte{0x40, 1, 0xff, 0xfd}, make([]byte, 0x10000), request), [][]byte{request}, false},
		{"the longest message", slices.Concat(message(bindingRequest, make([]byte, 0xfff0)), request), [][]byte{request}, false},
		{"no TURN", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), nil, true},
		{"RTP", bytes.Repeat([]byte{0x80}, 40), nil, true},
	} {
		for _, chunk := range []int{1, 7, 100_000} {
			t.Run(test.name, func(t *testing.T) {
				client, server := net.Pipe()
				defer server.Close()
				go func() {
					defer client.Close()
					for part := range slices.Chunk(test.in, chunk) {
						if _, err := client.Write(part); err != nil {
							return
						}
					}
				}()
				s := newStream(server, patience)
				p := make([]byte, 1600)
				for _, want := range test.want {
					n, _, err := s.ReadFrom(p)
					if err != nil || !bytes.Equal(p[:n], want) {
						t.Fatalf("got % x, %v\nwant % x", p[:n], err, want)
					}
				}
				if n, _, err := s.ReadFrom(p); err == nil || (err == errFrame) != test.bad {
					t.Errorf("got % x, %v at the end", p[:n], err)
				}
			})
		}
	}
}
