// Command framing measures four WebSocket libraries as the framing layer of a
// relay: CPU per relayed message and memory per idle connection.
//
//	go run . -bench            everything, interleaved, as a markdown table
//	go run . -lib gws          one relay server; prints its address
//	go run . -load -addr A -pid P    load on that server; prints its figures
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

func main() {
	var (
		bench   = flag.Bool("bench", false, "measure all libraries, interleaved")
		rounds  = flag.Int("rounds", 3, "bench: rounds")
		loading = flag.Bool("load", false, "be the load client")
		lib     = flag.String("lib", "", "serve with this library: gws, coder, gobwas or gorilla")
		batch   = flag.Bool("batch", false, "server: put a coalescing net.Conn under the library (gobwas always has it)")
		readBuf = flag.Int("rbuf", 4096, "server: read buffer size, where the library lets us choose it")
		l       load
	)
	flag.StringVar(&l.addr, "addr", "", "load: address of the server")
	flag.IntVar(&l.pid, "pid", 0, "load: process id of the server")
	flag.IntVar(&l.pairs, "pairs", 50, "load: pairs of connections")
	flag.IntVar(&l.size, "size", 200, "load: bytes per message")
	flag.IntVar(&l.window, "window", 1, "load: messages in flight per pair")
	flag.IntVar(&l.idle, "idle", 0, "load: hold this many idle connections instead of relaying")
	flag.DurationVar(&l.warm, "warm", 300*time.Millisecond, "load: time before measuring")
	flag.DurationVar(&l.measure, "for", 1600*time.Millisecond, "load: time to measure")
	flag.Parse()

	var err error
	switch {
	case *bench:
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		defer cancel()
		err = runBench(ctx, *rounds, *readBuf)
	case *loading:
		err = l.run(os.Stdout)
	default:
		err = serve(*lib, *batch, *readBuf)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "framing:", err)
		os.Exit(1)
	}
}

// serve runs one relay on a free loopback port until the process is ended.
func serve(lib string, batch bool, readBuf int) error {
	h, err := newHandler(lib, batch, readBuf)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return http.Serve(ln, h)
}

// newHandler serves /ws?N for connection number N, and /settle, which gives
// all free memory back to the system so that only what is held is counted.
func newHandler(lib string, batch bool, readBuf int) (http.Handler, error) {
	newAccept, ok := libraries[lib]
	if !ok {
		return nil, fmt.Errorf("unknown library %q", lib)
	}
	rl := &relay{readBuf: readBuf}
	accept := newAccept(rl)
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.URL.RawQuery)
		if err != nil || id < 0 || id >= maxSeats {
			http.Error(w, "no such seat", http.StatusBadRequest)
			return
		}
		if batch || lib == "gobwas" {
			w = outHijacker{w, rl, id}
		}
		accept(w, r, id)
	})
	mux.HandleFunc("/settle", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	return mux, nil
}
