// Command signald is the signaling server.
package main

import (
	"cmp"
	"context"
	"crypto/tls"
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
	"strings"
	"syscall"
	"time"

	"github.com/oodaa/signaling/server"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // for as long as the process runs
		interrupts := 0
		for s := range signals {
			stop()
			if s == os.Interrupt {
				interrupts++
			}
			if interrupts == 2 { // somebody at a terminal; platforms send SIGTERM more than once
				os.Exit(1)
			}
		}
	}()
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "signald:", err)
		os.Exit(exitCode(err))
	}
}

// A usageError is a command line or a configuration that has to change before
// the server can start.
type usageError struct{ error }

func exitCode(err error) int {
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

// run is the process: it returns when ctx has ended and the server has stopped,
// or at once when it cannot start.
func run(ctx context.Context, args []string, env environment, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("signald", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	version := flags.Bool("version", false, "print the version and exit")
	check := flags.Bool("check", false, "validate the configuration, say what would run, and exit")
	health := flags.Bool("health", false, "ask the server on this machine for its health and exit")
	define(flags)
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	var token tokenRequest
	if command == "token" {
		token.define(flags)
	}
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	switch command {
	case "", "token":
	case "help":
		err = cmp.Or(err, flag.ErrHelp)
	case "version":
		*version = true
	case "check":
		*check = true
	case "health":
		*health = true
	default:
		err = fmt.Errorf("unexpected argument %q", command)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return printHelp(stdout)
	case err != nil:
		return usageError{fmt.Errorf("%w (signald -help lists the settings)", err)}
	}
	if *version {
		_, err := fmt.Fprintln(stdout, server.Build())
		return err
	}
	c, err := load(flags, env)
	switch {
	case err != nil:
		return usageError{err}
	case command == "token":
		return token.write(stdout, c)
	case *check:
		return c.report(stdout, env)
	case *health:
		return askHealth(ctx, c)
	}

	log := newLogger(c, stderr)
	p, err := start(c, log)
	if err != nil {
		return c.remedy(err)
	}
	p.announce(stderr, c.warnings(env))
	select {
	case err := <-p.failed:
		return errors.Join(fmt.Errorf("serve: %w", err), p.stop(ctx))
	case <-ctx.Done():
	}
	if c.drainDelay > 0 {
		log.Info("draining", "delay", c.drainDelay.String())
		p.server.Drain()
		select {
		case err := <-p.failed:
			return errors.Join(fmt.Errorf("serve: %w", err), p.stop(context.Background()))
		case <-time.After(c.drainDelay):
		}
	}
	log.Info("stopping", "timeout", c.shutdownTimeout.String())
	// What stopping itself takes comes out of the time that it may take.
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.shutdownTimeout*9/10)
	defer cancel()
	if err := p.stop(deadline); err != nil {
		log.Warn("stopped before all was sent", "error", err.Error())
	}
	<-p.failed
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
	scheme := "http"
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	if c.secure() {
		scheme = "https"
		// It is this machine that answers, whatever names its certificate has.
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	}
	url := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(c.port)) + c.BasePath + "/health"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s", answer.Status)
	}
	return nil
}
