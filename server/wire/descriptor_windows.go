package wire

import "syscall"

type descriptor = syscall.Handle

const direct = false // a socket is not a file
