//go:build unix

package wire

// A descriptor is what a socket is to syscall.Read and syscall.Write.
type descriptor = int

// direct reports whether sockets are read and written by their descriptors,
// without waiting. Where not, connections are read and written as net does.
const direct = true
