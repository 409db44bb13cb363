package proxyproto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/pires/go-proxyproto"
)

// Sizes of the specification, sections 2.1 and 2.2.
const (
	minHeader   = 15 // "PROXY UNKNOWN\r\n"
	maxHeaderV1 = 107
	fixedV2     = 16 // signature, version, family and length
	maxHeaderV2 = 4096
)

var errTooLong = errors.New("header is too long")

func init() {
	proxyproto.V1AcceptIPv4InTCP6 = true // nginx writes it
}

// readHeader reads the header at the beginning of r, and not a byte more, so that
// the connection can be used as it is afterwards. The source is nil where the
// header names none: the proxy speaks for itself. If there is no header, ahead is
// what was read.
func readHeader(r io.Reader) (source *net.TCPAddr, ahead []byte, err error) {
	header := make([]byte, minHeader, maxHeaderV1)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(header, proxyproto.SIGV1):
		for header[len(header)-1] != '\n' {
			if len(header) == maxHeaderV1 {
				return nil, nil, errTooLong
			}
			header = append(header, 0)
			if _, err := io.ReadFull(r, header[len(header)-1:]); err != nil {
				return nil, nil, err
			}
		}
	case bytes.HasPrefix(header, proxyproto.SIGV2):
		header = append(header, 0)
		if _, err := io.ReadFull(r, header[minHeader:]); err != nil {
			return nil, nil, err
		}
		size := int(binary.BigEndian.Uint16(header[fixedV2-2:]))
		if fixedV2+size > maxHeaderV2 {
			return nil, nil, errTooLong
		}
		header = append(header, make([]byte, size)...)
		if _, err := io.ReadFull(r, header[fixedV2:]); err != nil {
			return nil, nil, err
		}
	default:
		return nil, header, nil
	}
	parsed, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(header), len(header)))
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if parsed.Command.IsLocal() {
		return nil, nil, nil
	}
	source, _, _ = parsed.TCPAddrs()
	return source, nil, nil
}
