// Package measure is what the programs bench/run, bench/scale and bench/cluster share:
// servers as processes, plain clients, crowds of idle ones, and what a process
// has cost so far.
package measure
