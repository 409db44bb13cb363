package turn

import "encoding/binary"

// Sizes and values of RFC 8489, section 5, and RFC 8656, sections 12.4 and 18.3.
const (
	stunHeader      = 20
	stunCookie      = 0x2112a442
	xorPeerAddress  = 0x0012
	allocateRequest = 0x0003
	channelHeader   = 4
	maxPacket       = 1599 // the library drops what is longer
	familyIPv4      = 1
	familyIPv6      = 2
	addressSizeIPv4 = 8
	addressSizeIPv6 = 20
)

func isChannelData(first byte) bool { return first>>6 == 1 }

// wellFormed reports whether the library may see p. Its version 4.1.4 panicked on
// an XOR-PEER-ADDRESS without a value. A STUN message must be whole; the library
// checks ChannelData itself.
func wellFormed(p []byte) bool {
	if len(p) >= channelHeader && isChannelData(p[0]) {
		return true
	}
	if len(p) < stunHeader || p[0]>>6 != 0 || binary.BigEndian.Uint32(p[4:]) != stunCookie ||
		int(binary.BigEndian.Uint16(p[2:])) != len(p)-stunHeader || len(p)%4 != 0 {
		return false
	}
	for rest := p[stunHeader:]; len(rest) > 0; {
		size := int(binary.BigEndian.Uint16(rest[2:]))
		padded := 4 + (size+3)&^3
		if padded > len(rest) {
			return false
		}
		if binary.BigEndian.Uint16(rest) == xorPeerAddress {
			switch {
			case size == addressSizeIPv4 && binary.BigEndian.Uint16(rest[4:]) == familyIPv4:
			case size == addressSizeIPv6 && binary.BigEndian.Uint16(rest[4:]) == familyIPv6:
			default:
				return false
			}
		}
		rest = rest[padded:]
	}
	return true
}
