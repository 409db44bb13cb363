// Command signald is the signaling server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/oodaa/signaling/server"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(1) // asked twice
	}()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "signald:", err)
		os.Exit(1)
	}
}

// run is the process: it returns when ctx has ended and the server has stopped,
// or at once when it cannot start.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("signald", flag.ContinueOnError)
	flags.SetOutput(stderr)
	version := flags.Bool("version", false, "print the version and exit")
	check := flags.Bool("check", false, "validate the configuration and exit")
	health := flags.Bool("health", false, "ask the server on this machine for its health and exit")
	define(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *version {
		_, err := fmt.Fprintln(stdout, server.Build())
		return err
	}
	c, err := load(flags, getenv)
	switch {
	case err != nil:
		return err
	case *check:
		_, err := fmt.Fprintln(stdout, "configuration ok")
		return err
	case *health:
		return askHealth(ctx, c)
	}

	log := newLogger(c, stderr)
	listener, err := net.Listen("tcp", c.address())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s, err := server.New(c.Options, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	var debug *debugServer
	if c.debugAddr != "" {
		if debug, err = listenDebug(c.debugAddr); err != nil {
			return errors.Join(err, s.Shutdown(ctx), listener.Close())
		}
		log.Info("profiles", "addr", debug.addr.String())
	}
	log.Info("listening", "addr", listener.Addr().String(), "engine", c.Engine, "version", server.Build().Version)

	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping", "timeout", c.shutdownTimeout.String())
	// What stopping itself takes comes out of the time that it may take.
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.shutdownTimeout*9/10)
	defer cancel()
	if err := s.Shutdown(deadline); err != nil {
		log.Warn("stopped before all was sent", "error", err.Error())
	}
	<-failed
	if debug != nil {
		if err := debug.Close(deadline); err != nil {
			log.Warn("profiles", "error", err.Error())
		}
	}
	log.Info("stopped")
	return nil
}

// address is what to listen on. Go's wildcard is of both IPv4 and IPv6.
func (c *config) address() string {
	host := c.host
	if host == "0.0.0.0" {
		host = ""
	}
	return net.JoinHostPort(host, strconv.Itoa(c.port))
}

func newLogger(c *config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.logLevel}
	if c.production {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// askHealth is the health check of containers without a shell.
func askHealth(ctx context.Context, c *config) error {
	host := c.host
	switch host { // no name: a container may have nothing to look it up in
	case "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(c.port)) + "/health"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s", answer.Status)
	}
	return nil
}
