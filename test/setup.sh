#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: Debian packages where we
# are root, and the Node packages of test/e2e, test/browser and test/field.
set -euo pipefail
cd "$(dirname "$0")/.."

policy=/usr/sbin/policy-rc.d

need() { # command package
  command -v "$1" >/dev/null || install "$1" "$2"
}

need_python() { # module package
  /usr/bin/python3 -c "import $1" 2>/dev/null || install "Python's $1" "$2"
}

install() { # what package
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need '$1': install Debian's package '$2' (or run this as root)." >&2
    exit 1
  fi
  if [ -z "${updated:-}" ]; then
    updated=1
    apt-get update -qq
    if [ ! -e "$policy" ]; then # services that come with a package stay off
      trap 'rm -f "$policy"' EXIT
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod +x "$policy"
    fi
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

need gcc build-essential # the race detector links with it
need curl curl
need node nodejs
need npm npm
old_node() { [ "$(node -p 'parseInt(process.version.slice(1)) < 20')" = true ]; }
if old_node && [ "$(id -u)" -eq 0 ]; then # Debian 12's; the browser's driver wants a newer one
  npm install --global --no-audit --no-fund --loglevel=error node@20.20.2
  hash -r
fi
if old_node; then
  echo "The tests need Node 20 or newer, and found $(node --version)." >&2
  exit 1
fi
need redis-server redis-server
need turnserver coturn
need promtool prometheus
PATH=$PATH:/usr/sbin need nginx nginx-light
PATH=$PATH:/usr/sbin need haproxy haproxy
need_python socketio python3-socketio
need_python requests python3-requests   # its long-polling
need_python websocket python3-websocket # its WebSockets
need "${CHROMIUM:-chromium}" chromium # or another browser of its family

packages() { # directory
  cmp -s "$1/package-lock.json" "$1/node_modules/.installed" && return
  (cd "$1" && npm ci --no-audit --no-fund --loglevel=error)
  cp "$1/package-lock.json" "$1/node_modules/.installed"
}

packages test/e2e
packages test/browser
packages test/field
