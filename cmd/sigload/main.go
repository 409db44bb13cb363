// Command sigload puts load on a signaling server and measures it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	debug.SetGCPercent(400) // it shares the machine with the server
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sigload:", err)
		os.Exit(1)
	}
}

// run is the process. When ctx ends it reports what it has measured so far.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	l := newLoad(o, stderr)
	if l.memory, err = l.rss(); err != nil {
		return err
	}
	r, err := map[string]func(context.Context) (*report, error){
		"relay": l.relay, "call": l.call, "join": l.join, "idle": l.idle,
	}[o.scenario](ctx)
	if err != nil {
		return err
	}
	r.Interrupted = ctx.Err() != nil
	if o.json {
		err = r.json(stdout)
	} else {
		err = r.text(stdout)
	}
	return errors.Join(err, l.verdict())
}
