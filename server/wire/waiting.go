package wire

// Waiting is how many bytes wait for the peer to take them. What is queued and was
// not tried to be written yet does not.
func (c *Conn) Waiting() int {
	w := &c.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unwritten() {
		return 0
	}
	return w.used()
}
