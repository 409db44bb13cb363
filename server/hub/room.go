package hub

// Limits of the relays that are held for one name (contract, section 11).
const (
	maxHeld          = 256
	maxHeldSize      = 512 << 10
	maxHeldOfSender  = 64
	maxHeldOfAddress = 128
)

// A Room is what is left for relays to one name, while they are held. Whoever holds
// them locks it.
type Room struct {
	relays, size int
	senders      map[string]int      // by user ID
	addresses    map[string]int      // by client address
	refused      map[string]struct{} // senders of whom a relay found no room
}

// Fits reports whether there is room for a relay of that size: not where one that
// the same sender sent before found none. address may be empty: it is not known.
// Where the target is not away, and only about to be told that it has the name, the
// size is all that counts.
func (r *Room) Fits(sender, address string, size int, away bool) bool {
	if _, refused := r.refused[sender]; refused || r.size+size > maxHeldSize {
		return false
	}
	return !away || r.relays < maxHeld && r.senders[sender] < maxHeldOfSender &&
		(address == "" || r.addresses[address] < maxHeldOfAddress)
}

// Refuse has nothing of the sender's fit from now on: candidates without their
// offer help nobody.
func (r *Room) Refuse(sender string) {
	if r.refused == nil {
		r.refused = make(map[string]struct{})
	}
	r.refused[sender] = struct{}{}
}

// Count counts a relay in, with n of 1, or out, with -1.
func (r *Room) Count(sender, address string, size, n int) {
	if r.senders == nil {
		r.senders, r.addresses = make(map[string]int), make(map[string]int)
	}
	r.relays += n
	r.size += n * size
	r.senders[sender] += n
	r.addresses[address] += n
}
