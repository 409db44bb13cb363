#!/usr/bin/env bash
# Records the profile that releases are optimized by, cmd/signald/relays.pgo: candidates
# and offers that are relayed, and clients that connect.
set -euo pipefail
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
go build -o "$tmp" ./cmd/signald ./cmd/sigload

export HOST=127.0.0.1 PORT=${PORT:-3001} DEBUG_ADDR=127.0.0.1:${DEBUG_PORT:-3002} LOG_LEVEL=error
export RATE_LIMIT=0 MESSAGE_RATE=0 REGISTER_TIMEOUT=1h MAX_CONNECTIONS=0
"$tmp/signald" &
server=$!
until curl -sf "http://127.0.0.1:$PORT/health" >/dev/null; do sleep 0.1; done

profile() { # profile NAME LOAD…: one that is longer than eight seconds
  local name=$1
  shift
  "$tmp/sigload" "$@" -quiet -url "http://127.0.0.1:$PORT" >/dev/null &
  curl -sf -o "$tmp/$name" "http://$DEBUG_ADDR/debug/pprof/profile?seconds=8"
  wait $!
}
profile candidates relay -window 8 -duration 9s
profile offers relay -event offer -duration 9s
for _ in 1 2 3 4 5 6 7 8; do "$tmp/sigload" idle -clients 5000 -settle 1ms -quiet -url "http://127.0.0.1:$PORT" >/dev/null; done &
curl -sf -o "$tmp/connects" "http://$DEBUG_ADDR/debug/pprof/profile?seconds=8"
wait $!
go tool pprof -proto -output cmd/signald/relays.pgo "$tmp/candidates" "$tmp/offers" "$tmp/connects" 2>/dev/null
