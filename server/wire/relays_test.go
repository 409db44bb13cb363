package wire

import "testing"

// TestForgetWrittenInPart forgets a relay of which only a part is written, as a
// keeper does that has no room: it no longer waits.
func TestForgetWrittenInPart(t *testing.T) {
	var r relays
	from := new(int)
	for end := int64(10); end <= 30; end += 10 {
		r.add(relayEntry{end: end, size: 10, receipt: Receipt{From: from}})
	}
	if got := r.share(from); got != 30 {
		t.Fatalf("the sender's share is %d bytes, want 30", got)
	}
	r.wrote(15, 15) // all of the first and a half of the second
	r.forget(2)
	if waiting, share := r.waiting(), r.share(from); waiting != 10 || share != 10 {
		t.Errorf("%d bytes wait, %d of them the sender's; want 10 of the third", waiting, share)
	}
	r.wrote(30, 30)
	if waiting, share := r.waiting(), r.share(from); waiting != 0 || share != 0 {
		t.Errorf("%d bytes wait, %d of them the sender's; want none", waiting, share)
	}
}
