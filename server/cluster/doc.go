// Package cluster makes several instances one server, over Redis.
//
// Redis holds the directory: which instance has which name, since which
// registration. All changes to it are made by one script at a time, which also
// numbers and publishes them; every instance applies that feed in its order,
// its own registrations included, so that all agree on who holds a name and
// nobody has to ask. What was missed shows as a gap in the numbers, and is
// repaired by joining anew from a snapshot.
//
// Relays do not go through the directory: they are published to the one
// instance that holds the name, which answers, on the same way back, what
// became of them. What is not answered in time is answered here, with an error.
//
// An instance serves under a lease. It renews it once a second, and stops
// serving by itself before it ends: relays and registrations then wait until
// it has joined anew, or until it is clear that Redis cannot be reached, upon
// which it goes on alone, for its own users. An instance that was frozen past
// its lease finds it ended before it does anything else.
package cluster
