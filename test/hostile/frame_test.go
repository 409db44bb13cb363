package hostile

import (
	"encoding/binary"
	"strings"
)

// Opcodes of frames (RFC 6455, section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// What a frame's first byte may hold beside the opcode.
const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

// frame is a client's frame with the first byte first. It is masked with zeros,
// so that it can be read.
func frame(first byte, payload string) string {
	return header(first, 0x80, len(payload)) + "\x00\x00\x00\x00" + payload
}

// header is a frame's header up to the mask.
func header(first, masked byte, length int) string {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, masked|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), uint64(length))
	}
	return string(b)
}

func text(payload string) string { return frame(fin|opText, payload) }

func data(payload string) string { return frame(fin|opBinary, payload) }

// closing is a Close frame.
func closing(code uint16, reason string) string {
	return frame(fin|opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// each is frames, one after the other.
func each(frames ...string) string { return strings.Join(frames, "") }
