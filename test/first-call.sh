#!/usr/bin/env bash
# Measures what a newcomer waits for: a fresh clone, empty caches of Go, the README's
# command, until the server has relayed an offer. Fails if that takes over 90 seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill -- "-$server" 2>/dev/null || true
  chmod -R u+w "$tmp" && rm -rf "$tmp"
}
trap finish EXIT
since() { echo "$((($(date +%s%N) - start) / 1000000)) ms: $*"; }

command="go run ./cmd/signald"
grep -qxF "$command" README.md
export GOCACHE=$tmp/build GOMODCACHE=$tmp/modules PORT=${PORT:-3001}
url=http://127.0.0.1:$PORT

start=$(date +%s%N)
git clone -q . "$tmp/signaling"
cd "$tmp/signaling"
set -m # a process group for the server
$command &
server=$!
set +m
until curl -sf "$url/health" >"$tmp/health"; do
  kill -0 "$server" || exit 1
  sleep 0.2
done
since "$(cat "$tmp/health")"

# Two clients that poll.
poll() { curl -sf "$url/socket.io/?EIO=4&transport=polling&sid=$1"; }
say() { curl -sf --data-binary "$2" "$url/socket.io/?EIO=4&transport=polling&sid=$1" >/dev/null; }
join() { # join USER: prints the session's id
  local sid
  sid=$(curl -sf "$url/socket.io/?EIO=4&transport=polling" | sed 's/.*"sid":"\([^"]*\)".*/\1/')
  say "$sid" "$(printf '40\x1e42["register",{"userId":"%s"}]' "$1")"
  until poll "$sid" | grep -q '"user-list"'; do :; done
  echo "$sid"
}
bob=$(join bob)
alice=$(join alice)
say "$alice" '42["offer",{"to":"bob","from":"alice","offer":{"type":"offer","sdp":"v=0"}}]'
until offer=$(poll "$bob") && grep -q '"offer"' <<<"$offer"; do :; done
since "$offer"
[ $((($(date +%s%N) - start) / 1000000000)) -lt 90 ]
