#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: Debian packages where we
# are root, a Node under test/.node where the system's is too old, and the Node
# packages of the tests. It says first what it will install, and why; with -n
# that is all that it does.
set -euo pipefail
cd "$(dirname "$0")/.."

dry=
[ "${1:-}" != -n ] || dry=1

export PATH=$PWD/test/.node/node_modules/.bin:$PATH:/usr/sbin
node_version=20.20.2

missing=() reasons=()
need() { # need COMMAND PACKAGE WHY
  command -v "$1" >/dev/null && return
  missing+=("$2") reasons+=("$2 ($3)")
}
need_python() { # need_python MODULE PACKAGE WHY, for Debian's Python: another may come before it in $PATH
  ! /usr/bin/python3 -c "import $1" 2>/dev/null || return 0
  missing+=("$2") reasons+=("$2 ($3)")
}
need gcc build-essential "the race detector links with it"
need ip iproute2 "networks that go down"
need curl curl "deployment checks"
need node nodejs "runs the JavaScript clients"
need npm npm "installs the JavaScript clients"
need redis-server redis-server "clusters"
if [ -n "$(apt-cache policy valkey-server 2>/dev/null)" ]; then # not in Debian 12
  need valkey-server valkey-server "clusters with the other Redis"
fi
need turnserver coturn "TURN from another maker"
need promtool prometheus "alert rules"
need nginx nginx-light "the server behind a proxy"
[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || {
  missing+=(libnginx-mod-stream) reasons+=("libnginx-mod-stream (nginx in front of TURN)")
}
need haproxy haproxy "the server behind another proxy"
need "${CHROMIUM:-chromium-headless-shell}" chromium-headless-shell "the pages"
need "${FIREFOX:-firefox-esr}" firefox-esr "the pages"
need jq jq "deployment checks"
need openssl openssl "deployment checks, benchmarks"
need systemd-analyze systemd "deployment checks"
need_python yaml python3-yaml "deployment checks"
need_python socketio python3-socketio "the Python client"
need_python requests python3-requests "its long-polling"
need_python websocket python3-websocket "its WebSockets"

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: Debian packages for the tests: $(printf '%s, ' "${reasons[@]}" | sed 's/, $//')"
  if [ -z "$dry" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
      echo "setup: install these, or run this as root on Debian" >&2
      exit 1
    fi
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then # services that come with a package stay off
      trap 'rm -f "$policy"' EXIT
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod +x "$policy"
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    hash -r
  fi
fi

new_enough() { node -e 'process.exit(parseInt(process.version.slice(1)) >= 20 ? 0 : 1)'; }
if command -v node >/dev/null && ! new_enough; then # Debian 12's
  echo "setup: Node $node_version under test/.node (the tests need Node 20, this is $(node --version))"
  if [ -z "$dry" ]; then
    npm install --prefix test/.node --no-save --no-audit --no-fund --loglevel=error "node@$node_version"
    hash -r
    new_enough
  fi
fi

packages() { # packages DIRECTORY WHY
  cmp -s "$1/package-lock.json" "$1/node_modules/.installed" && return
  echo "setup: npm packages in $1 ($2)"
  [ -z "$dry" ] || return 0
  (cd "$1" && npm ci --no-audit --no-fund --loglevel=error)
  cp "$1/package-lock.json" "$1/node_modules/.installed"
}
packages test/e2e "the real clients"
packages test/browser "drives Chromium"
packages test/field "other clients"
packages test/docs "documents and examples"
packages bench/node "stock socket.io, to compare with"
# Bun is 140 MB that only the full bench needs.
[ -z "$dry" ] || echo "setup: npm packages in bench/bun (stock socket.io on Bun, to compare with): left to \`make bench\`"
