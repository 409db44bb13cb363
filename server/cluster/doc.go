// Package cluster makes several instances one server, over Redis.
//
// Redis holds the directory: which instance has which name, since which
// registration. All changes to it are made by one script at a time, which also
// numbers and publishes them; every instance applies that feed in its order,
// its own registrations included, so that all agree on who holds a name and
// nobody has to ask. What was missed shows as a gap in the numbers, and is
// repaired by rejoining from a snapshot.
//
// Relays do not go through the directory: they are published to the one
// instance that holds the name, which answers, on the same way back, what
// became of them. What is not answered in time is answered here, with an error.
// All relays to one name go along one lane, in their order: while some are on
// their way to where the name was before, what comes next waits for them.
//
// A user whose connection broke is away, and keeps its name for the grace, also
// when its instance ends meanwhile. What is sent to it is held in the lanes of the
// senders' instances (held.go) until the directory says that it is back, or gone. The
// script that changes the directory decides whether a claim is a return, of which
// nobody is told, or a takeover. A takeover asks the former connection, and its
// instance has all others told if there were two devices. That instance also hands
// over what the former connection has not acknowledged, and says when that is all. Until
// then the new one keeps what comes from the others.
//
// An instance serves under a lease. It renews it once a second, and stops
// serving by itself before it ends: relays and registrations then wait until
// it has joined anew, or until it is clear that Redis cannot be reached, upon
// which it goes on alone, for its own users. An instance that was frozen past
// its lease finds it ended before it does anything else: that a question to
// Redis failed counts only if it was asked just now.
//
// Each time that a process joins it is another instance, with a lease and a
// channel of its own. A registration is known by its process and its epoch, and
// so stays the same for all others when its process joins anew.
//
// A session is one membership. It has connections of its own to one Redis: the
// only one, the primary that the Sentinels name, or the node of a Redis Cluster
// that owns our keys (locate.go). Whatever fails, a failover included, ends the
// session, and the next one looks for the Redis to use again. Before it joins, a
// session tries out everything that a member does (lua/rights.lua): a Redis that
// would refuse some of it is as good as none.
//
// What instances write to each other and to Redis is fixed: protocol.go has the
// messages, feed.go the feed, and testdata the bytes of both.
//
// Locks are taken in this order. None of these is held while a connection is
// written to or Redis is asked: what is left to do then is returned, and done
// without them (work in relays.go).
//
//  1. Cluster.changing
//  2. Hub.mu, which the hub holds when it calls Released; never taken under 3
//  3. relays.mu, under which the hub is asked who has a name (a lock of its shards)
//  4. changes.mu, session.feeding and Cluster.mu, under which no other is taken
package cluster
