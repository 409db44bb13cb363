package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// print writes the result as tables.
func (r *result) print(w io.Writer, m means) error {
	var b strings.Builder
	l := r.Loads[0]
	fmt.Fprintf(&b, "%s users on %d instances who stay for %.0f minutes and begin %g calls an hour of %g relays; each watches %g others, and is watched by as many:\n%s joins and as many leaves, and %s relays a second in all.\n\n",
		figure(l.Users), r.Instances, r.Demand.Session/60, r.Demand.Calls, r.Demand.Relays, r.Demand.Contacts, figure(l.Changes/2), figure(l.Relays))
	b.WriteString("| a second | PRESENCE=all | PRESENCE=watched | PRESENCE=none |\n|---|---|---|---|\n")
	for _, row := range []struct {
		what string
		of   func(*load) string
	}{
		{"a client: presence events that it gets", func(l *load) string { return figure(l.ClientEvents) }},
		{"a client: bytes of them", func(l *load) string { return figure(l.ClientBytes, "B") }},
		{"an instance: presence events to clients", func(l *load) string { return figure(l.Announcements) }},
		{"an instance: all messages to clients", func(l *load) string { return figure(l.Messages) }},
		{"an instance: bytes to clients", func(l *load) string { return figure(l.Bytes, "B") }},
		{"an instance: cores busy, when changes leave together", func(l *load) string { return figure(l.Cores) }},
		{"an instance: cores busy, if each change left alone", func(l *load) string { return figure(l.CoresAlone) }},
		{"an instance: memory of its connections", func(l *load) string { return figure(l.Memory, "B") }},
		{"an instance: memory of what they watch", func(l *load) string { return figure(l.WatchMemory, "B") }},
		{"an instance: memory of the users of others", func(l *load) string { return figure(l.Directory, "B") }},
		{"one user list", func(l *load) string { return figure(l.ListBytes, "B") }},
		{"Redis: commands, those of scripts included", func(l *load) string { return figure(l.RedisCommands) }},
		{"Redis: bytes, both ways", func(l *load) string { return figure(l.RedisBytes, "B") }},
		{"Redis: cores busy, of one", func(l *load) string { return figure(l.RedisCores) }},
	} {
		fmt.Fprintf(&b, "| %s |", row.what)
		for i := range r.Loads {
			fmt.Fprintf(&b, " %s |", row.of(&r.Loads[i]))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\nWhat breaks first, on %d instances with %g cores and %s each:\n\n| PRESENCE | what | up to this many users |\n|---|---|---|\n", r.Instances, m.Cores, figure(m.Bits, "bit/s"))
	slices.SortStableFunc(r.Limits, func(a, b limit) int {
		return cmp.Or(strings.Compare(a.Presence, b.Presence), cmp.Compare(a.Users, b.Users))
	})
	for _, limit := range r.Limits {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", limit.Presence, limit.What, figure(limit.Users))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// figure writes 1234567 as 1.23 M, with a unit behind it if there is one.
func figure(v float64, unit ...string) string {
	prefix := ""
	for _, p := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= p.size {
			v, prefix = v/p.size, p.name
			break
		}
	}
	text := strconv.FormatFloat(v, 'g', 2, 64)
	if v >= 10 {
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSpace(text + " " + prefix + strings.Join(unit, ""))
}
