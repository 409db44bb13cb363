package turn

import (
	"testing"

	"github.com/pion/stun/v4"
)

// No message of a client that has credentials and an allocation stops the
// server, however odd its attributes.
func FuzzMessages(f *testing.F) {
	f.Add(uint16(sendIndication), attribute(xorPeerAddress, 0))
	f.Add(uint16(sendIndication), attribute(xorPeerAddress, 8, 0, familyIPv4, 1, 2, 3, 4, 5, 6))
	f.Add(uint16(0x0003), attribute(0x0019, 4, 17, 0, 0, 0))                 // Allocate, REQUESTED-TRANSPORT
	f.Add(uint16(0x0003), attribute(0x0018, 1, 0x80, 0, 0, 0))               // EVEN-PORT
	f.Add(uint16(0x0004), attribute(0x000d, 4, 0, 0, 0, 0))                  // Refresh, LIFETIME
	f.Add(uint16(0x0008), attribute(xorPeerAddress, 4, 0, familyIPv6, 0, 0)) // CreatePermission
	f.Add(uint16(0x0009), attribute(0x000c, 4, 0x40, 0, 0, 0))               // ChannelBind, CHANNEL-NUMBER
	f.Add(uint16(0x0009), attribute(0x0008, 0))                              // MESSAGE-INTEGRITY
	f.Add(uint16(0x0001), attribute(0x0006, 0xffff))                         // USERNAME
	f.Add(uint16(0x4000), []byte{})

	s, err := Listen(Options{Listen: "127.0.0.1:0", PublicIP: loopback, Secret: secret})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, kind uint16, attributes []byte) {
		if len(attributes) > 1000 {
			return
		}
		c := login(t, "udp", s, "alice")
		c.allocate()
		c.send(message(kind, attributes))

		// The same with what authenticates it.
		m := &stun.Message{Raw: message(kind, attributes)}
		if m.Decode() == nil {
			for _, a := range []stun.Setter{stun.NewUsername(c.username), stun.NewRealm(c.realm), stun.NewNonce(c.nonce),
				stun.NewLongTermIntegrity(c.username, c.realm, c.password)} {
				if a.AddTo(m) != nil {
					break // a fingerprint comes first
				}
			}
			c.send(m.Raw)
		}
		// Room for the next. What was sent may have ended the allocation, and then
		// this is not answered.
		c.ask(stun.MethodRefresh, lifetime(0))
		c.sync()
	})
}
