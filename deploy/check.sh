#!/usr/bin/env bash
# Checks the deployment files with what runs without a cloud account and without a Docker engine,
# and runs the server behind deploy/nginx-site.conf for real. `make setup` installs what it needs. What
# cannot be checked fails with CI=true, and is counted as skipped elsewhere.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

tmp=$(mktemp -d)
chmod 755 "$tmp"
pids=()
passed=0 failed=0 skipped=0

cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
  rm -rf "$tmp"
}
trap cleanup EXIT

# check NAME COMMAND...: one line for each check, and the command's output when it fails.
check() {
  local name=$1
  shift
  if "$@" >"$tmp/out" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $name"
  else
    failed=$((failed + 1))
    echo "FAIL  $name"
    head -c 4000 "$tmp/out" | sed 's/^/      | /'
  fi
}

skip() {
  if [ "${CI:-}" = true ]; then
    check "$1: $2" false
  else
    skipped=$((skipped + 1))
    echo "SKIP  $1: $2"
  fi
}

finish() {
  echo
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
  exit
}

# have TEST...: whether a command succeeds.
have() { "$@" >/dev/null 2>&1; }

PATH=$PATH:/usr/sbin

free_ports() { # free_ports N: that many, all different
  local left=$1 port
  for port in $(shuf -n 100 -i 20000-32000); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
    echo "$port"
    ((--left)) || return 0
  done
  return 1
}

# await URL PID: until the server answers; false when the process has ended or after 10 seconds.
await() {
  for _ in {1..100}; do
    curl -skf -o /dev/null --max-time 2 "$1" && return
    kill -0 "$2" 2>/dev/null || break
    sleep 0.1
  done
  echo "no answer from $1"
  return 1
}

# --- Heroku and Railway -----------------------------------------------------------------------

heroku_install() { # the package that Heroku's Go buildpack installs to bin/
  awk '$1 == "//" && $2 == "+heroku" && $3 == "install" { print $4; exit }' go.mod
}
# Also without a patch version in the go line: golang:1.26 and the buildpack may be a patch behind.
heroku_go() {
  grep -E '^(//.*goVersion|go) ' go.mod
  grep -qE '^// \+heroku goVersion go1\.[0-9]+$' go.mod && grep -qE '^go 1\.[0-9]+(\.0)?$' go.mod
}
procfile() {
  echo "Procfile: $(cat Procfile); go.mod installs: $(heroku_install)"
  grep -qx "web: bin/$(basename "$(heroku_install)")" Procfile && [ -d "$(heroku_install)" ]
}

if have jq --version; then
  check "app.json: shape" jq -e '
    (.name | type == "string") and (.formation.web.quantity == 1) and .buildpacks == [{url: "heroku/go"}]
    and .success_url == "/status" and .env.TRUSTED_PROXIES.value == "1" and .env.NODE_ENV.value == "production" and .env.CORS_ORIGINS.required
    and .env.MAX_CONNECTIONS.value == "9000" and .env.GOMEMLIMIT.value == "460MiB"
    and ([.env[] | .value // "" | type] | all(. == "string"))' app.json
  check "railway.json: shape" jq -e '
    .build == {builder: "DOCKERFILE", dockerfilePath: "Dockerfile"} and .deploy.healthcheckPath == "/health"
    and (.deploy.restartPolicyType | IN("ON_FAILURE", "ALWAYS")) and .deploy.drainingSeconds > 10
    and .deploy.startCommand == "/signald -max-connections 50000" and (.deploy | has("numReplicas") | not)' railway.json
  # Railway runs it in place of the ENTRYPOINT, without a shell.
  check "railway.json: its command is the image's" grep -qxF 'ENTRYPOINT ["/signald"]' Dockerfile
else
  skip "app.json, railway.json" "jq is missing (run make setup)"
fi
check "Procfile: runs what go.mod has the buildpack install" procfile
check "go.mod: Go version for the buildpack and the image" heroku_go

# --- Docker -----------------------------------------------------------------------------------

# Debian's Python is the one that python3-yaml is for; another in $PATH may do.
with_yaml() {
  for python in python3 /usr/bin/python3; do "$python" -c 'import yaml' && return; done
  return 1
}
compose_json() {
  "$python" -c 'import json, yaml; print(json.dumps(yaml.safe_load(open("docker-compose.yml"))))' >"$tmp/compose.json"
}
compose_shape() { # compose_shape FILTER: jq's answer for docker-compose.yml
  jq -e "$1" "$tmp/compose.json"
}
compose_files() { # what is mounted is there, as the kind that the container expects
  local path
  while read -r path; do
    echo "$path"
    [ -e "$path" ] || return
    [[ $path != *.conf || -f $path ]] || return
  done < <(jq -r '.services[].volumes // [] | .[] | select(startswith("./")) | split(":")[0]' "$tmp/compose.json")
}
signald_help() { if [ -x "${SIGNALD:-}" ]; then "$SIGNALD" -help; else go run ./cmd/signald -help; fi; }
compose_settings() { # every variable that a service sets is one of the server's
  local variable known
  known=$(signald_help | sed -n 's/^  \([A-Z_]*\) *-.*/\1/p') && [ -n "$known" ] || return
  for variable in $(jq -r '.services | to_entries[] | select(.key | startswith("signald")) | .value.environment | keys[]' "$tmp/compose.json" | sort -u); do
    [ "$variable" = GOMEMLIMIT ] || grep -qx "$variable" <<<"$known" || { echo "unknown: $variable"; return 1; }
  done
}
if docker compose version >/dev/null 2>&1; then
  check "docker-compose.yml: docker compose config" docker compose -f docker-compose.yml \
    --profile cluster --profile turn --profile monitoring config --quiet
fi
if have with_yaml && have jq --version; then
  check "docker-compose.yml: YAML" compose_json
  check "docker-compose.yml: one server without a profile" compose_shape '
    [.services | to_entries[] | select(.value.profiles == null) | .key] == ["signald"] and (.services.signald |
    .ports == ["3001:3001"] and .environment.PORT == "3001" and .build == "." and .stop_grace_period == "15s")'
  check "docker-compose.yml: the profiles and what they start" compose_shape '
    [.services[] | .profiles // [] | .[]] | unique == ["cluster", "monitoring", "turn"]'
  check "docker-compose.yml: what a service needs has its profile" compose_shape '
    .services as $all | [.services[] | .profiles as $p | (.depends_on // [])[] | $all[.].profiles == $p] | all'
  check "docker-compose.yml: no port twice, and only those for clients are outside" compose_shape '
    [.services[].ports // [] | .[] | capture("^((?<host>[0-9.]+):)?(?<port>[0-9-]+):[0-9-]+(/(?<net>[a-z]+))?$")] |
    (map("\(.port)/\(.net // "tcp")") | length == (unique | length)) and
    (map(select(.host == null) | .port) | sort == ["3001", "3002", "3478", "3478", "49160-49359", "8080"])'
  check "docker-compose.yml: instances of one cluster, each with its name" compose_shape '
    [.services["signald-1", "signald-2"].environment] | map(.REDIS_URL) == ["redis://redis:6379", "redis://redis:6379"]
    and map(.NODE_ID) == ["signald-1", "signald-2"]'
  check "docker-compose.yml: TURN listens and relays on published ports" compose_shape '
    .services["signald-turn"] | .environment.TURN_RELAY_PORTS as $relay | .environment.TURN_LISTEN == "0.0.0.0:3478"
    and (.ports | contains(["3478:3478/udp", "3478:3478/tcp", "\($relay):\($relay)/udp"]))'
  check "docker-compose.yml: images by exact version" compose_shape '
    [.services[] | select(.build == null) | .image | test(":v?[0-9]+[.][0-9]+[.][0-9]+(-[a-z0-9.]+)?$")] | all'
  check "docker-compose.yml: memory is limited, and GOMEMLIMIT is 90 % of it" compose_shape '
    ([.services[] | .mem_limit | strings] | length) == (.services | length) and
    [.services[] | select(.build == ".") | .mem_limit == "512m" and .environment.GOMEMLIMIT == "460MiB"] == [true, true, true, true]'
  check "docker-compose.yml: its settings are known to the server" compose_settings
  check "docker-compose.yml: what it mounts is there" compose_files
else
  skip "docker-compose.yml" "Python's yaml or jq (run make setup)"
fi

# What the Dockerfile does, without an engine: the context that .dockerignore leaves, its own build
# line, and below its result in an otherwise empty root as its user.
build() {
  local mode=--anchored pattern excludes=() line
  while read -r pattern; do
    case $pattern in
      '' | '#'*) continue ;;
      '**/'*) mode=--no-anchored pattern=${pattern#'**/'} ;;
      *) mode=--anchored ;;
    esac
    excludes+=("$mode" "--exclude=$pattern")
  done <.dockerignore
  mkdir -p "$tmp/src" "$tmp/root/etc"
  # shellcheck disable=SC2035 # plain names, so that --anchored patterns match them
  tar -c "${excludes[@]}" * | tar -x -C "$tmp/src" || return
  line=$(sed -n 's/^RUN \(CGO_ENABLED=0 .*\) -o \/out\/signald \(.*\)$/\1 -o "$tmp\/root\/signald" \2/p' Dockerfile)
  echo "$line"
  [ -n "$line" ] && (cd "$tmp/src" && export tmp && TARGETOS='' TARGETARCH='' TAGS='' VERSION=9.8.7 REVISION=0123abc sh -c "$line")
}
dockerfile() {
  tail -n +2 <(tac Dockerfile | sed '/^FROM/q' | tac) >"$tmp/final"
  grep -q '^USER 65532:65532$' "$tmp/final" && grep -q '^ENTRYPOINT \["/signald"\]$' "$tmp/final" &&
    grep -q '^HEALTHCHECK .*CMD \["/signald", "-health"\]$' "$tmp/final" && ! grep -q '^RUN' "$tmp/final"
}
static() {
  go version -m "$tmp/root/signald" | grep -q 'CGO_ENABLED=0' && ! ldd "$tmp/root/signald"
}
small() {
  local size
  size=$(stat -c %s "$tmp/root/signald")
  echo "$size bytes"
  [ "$size" -le 21000000 ]
}
lacks_zishang() { ! ENGINE=zishang "$tmp/root/signald" -check >"$tmp/answer" 2>&1 && grep -e '-tags zishang' "$tmp/answer"; }
check "Dockerfile: final stage" dockerfile
check "Dockerfile: its build line, on what .dockerignore leaves" build
[ -x "$tmp/root/signald" ] || finish
versioned() { "$tmp/root/signald" -version | tee /dev/stderr | grep -q '^signald 9.8.7 (revision 0123abc, go'; }
check "Dockerfile: the binary knows its version and revision" versioned
check "Dockerfile: the binary is static" static
check "Dockerfile: the binary has at most 21 MB" small
check "Dockerfile: ENGINE=zishang says how to build it" lacks_zishang

# --- systemd ----------------------------------------------------------------------------------

sed "s|/usr/local/bin/signald|$tmp/root/signald|" deploy/signald.service >"$tmp/signald.service"
if have systemd-analyze --version; then
  check "signald.service: systemd-analyze verify" systemd-analyze verify --recursive-errors=no --man=no "$tmp/signald.service"
  check "signald.service: memory is limited, and GOMEMLIMIT is 90 % of it" \
    grep -Pzq 'Environment=.* GOMEMLIMIT=1840MiB\n(.*\n)*MemoryMax=2G\n' deploy/signald.service
  check "signald.service: systemd-analyze security, exposure at most 1.5" \
    systemd-analyze security --offline=true --threshold=15 --no-pager "$tmp/signald.service"
else
  skip "signald.service" "systemd-analyze is missing (run make setup)"
fi

# --- nginx, and the server behind it ----------------------------------------------------------

if ! have nginx -v || ! have openssl version; then
  skip "nginx-site.conf" "nginx or openssl is missing (run make setup)"
  finish
fi

read -r port http tls < <(free_ports 3 | xargs)
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=signal.example.com \
  -keyout "$tmp/privkey.pem" -out "$tmp/fullchain.pem" 2>/dev/null
sed -e 's/\[::\]/[::1]/' -e "s/listen 80;/listen 127.0.0.1:$http;/" -e "s/listen 443 /listen 127.0.0.1:$tls /" \
  -e "s/]:80;/]:$http;/" -e "s/]:443 /]:$tls /" -e "s/server 127.0.0.1:3001;/server 127.0.0.1:$port;/" \
  -e "s|/etc/letsencrypt/live/signal.example.com|$tmp|" \
  deploy/nginx-site.conf >"$tmp/site.conf"
# The site in an nginx.conf such as Debian's.
cat >"$tmp/nginx.conf" <<EOF
$([ "$(id -u)" != 0 ] || echo 'user www-data;')
pid $tmp/nginx.pid;
events {}
http {
  client_body_temp_path $tmp/b; proxy_temp_path $tmp/p; fastcgi_temp_path $tmp/f; uwsgi_temp_path $tmp/u; scgi_temp_path $tmp/s;
  include $tmp/site.conf;
}
EOF
nginx=(nginx -p "$tmp" -e "$tmp/error.log" -c "$tmp/nginx.conf")

syntax() { "${nginx[@]}" -t 2>&1 | tee "$tmp/answer" && grep 'syntax is ok' "$tmp/answer"; }
no_warnings() { "$@" 2>&1 | tee "$tmp/answer" && ! grep -E '\[(warn|error|emerg)\]' "$tmp/answer"; }
read_timeout() {
  local seconds
  seconds=$(sed -n 's/.*proxy_read_timeout \([0-9]*\)s;.*/\1/p' deploy/nginx-site.conf)
  echo "proxy_read_timeout ${seconds}s, heartbeats need more than 45s"
  [ "$seconds" -gt 45 ]
}
check "nginx-site.conf: syntax" syntax
if "${nginx[@]}" -t 2>&1 | grep -qE '\[::1\].*(Address family not supported|Cannot assign)'; then
  echo "      no IPv6 here: from now on without the [::] lines"
  sed -i '/\[::1\]/d' "$tmp/site.conf"
fi
check "nginx-site.conf: nginx -t" no_warnings "${nginx[@]}" -t
check "nginx-site.conf: read timeout above the heartbeat's" read_timeout

# As in the image: an empty root and its user; with the environment of the systemd unit.
if [ "$(id -u)" = 0 ]; then
  signald=("$(command -v chroot)" --userspec=65532:65532 "$tmp/root" /signald) where="in an empty root as uid 65532"
else
  signald=("$tmp/root/signald") where="as this user (as root: in an empty root as uid 65532)"
fi
read -ra environment <<<"$(sed -n 's/^Environment=//p' deploy/signald.service) PORT=$port RATE_LIMIT=30"
env -i "${environment[@]}" "${signald[@]}" >"$tmp/signald.log" 2>&1 &
server=$!
pids+=("$server")
"${nginx[@]}" -g 'daemon off;' >"$tmp/nginx.log" 2>&1 &
pids+=($!)

url=https://127.0.0.1:$tls
upgrade() { # upgrade PATH [CURL OPTION...]: the answer to a WebSocket handshake through nginx
  local path=$1
  shift
  curl -skiN --http1.1 --max-time 2 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
    -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$@" "$url$path" | tr -d '\0' | tee "$tmp/answer"
}
upgraded() {
  upgrade "$@"
  grep -q '^HTTP/1.1 101' "$tmp/answer" && grep -qi '^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=' "$tmp/answer"
}
socketio_upgraded() { upgraded "/socket.io/?EIO=4&transport=websocket" "$@" && grep -qa '0{"sid":' "$tmp/answer"; }
foreign_origin() {
  upgrade "/socket.io/?EIO=4&transport=websocket" -H 'Origin: https://elsewhere.example'
  grep -q '^HTTP/1.1 403' "$tmp/answer"
}
polling() { # handshake, CONNECT, and the answer to it
  local session="$url/socket.io/?EIO=4&transport=polling" sid answer
  sid=$(curl -skf "$session" | jq -Rr 'ltrimstr("0") | fromjson | .sid') && [ -n "$sid" ] &&
    [ "$(curl -skf -H 'Content-Type: text/plain;charset=UTF-8' -d 40 "$session&sid=$sid")" = ok ] &&
    answer=$(curl -skf --max-time 5 "$session&sid=$sid") && echo "$answer" && [[ $answer == '40{"sid":'* ]]
}
status() {
  local got
  got=$(curl -sk -o /dev/null -w '%{http_code} %{redirect_url}' "$2")
  echo "got $got"
  [ "$got" = "$1" ]
}
# One client spends its requests, whatever it claims about its address; another still has its own.
client_ip() {
  local i code
  for i in {1..40}; do
    code=$(curl -sk -o /dev/null -w '%{http_code}' --interface 127.0.0.2 -H "X-Forwarded-For: 10.9.8.$i" "$url/")
  done
  echo "first client: $code"
  [ "$code" = 429 ] && curl -skf -o /dev/null -w 'second client: %{http_code}\n' --interface 127.0.0.3 "$url/"
}
healthy() { env -i PORT="$1" "${signald[@]}" -health; }
unhealthy() { healthy "$1"; [ $? = 1 ]; }
stops() { # exit code 0 after SIGTERM, with a client connected through nginx
  upgrade "/socket.io/?EIO=4&transport=websocket" --max-time 15 >/dev/null &
  local client=$! start=$SECONDS code
  sleep 0.5
  kill -TERM "$server"
  wait "$server"
  code=$?
  wait "$client"
  echo "exit code $code after $((SECONDS - start))s"
  tail -5 "$tmp/signald.log"
  [ "$code" = 0 ] && [ $((SECONDS - start)) -le 10 ]
}

check "server: starts $where" await "http://127.0.0.1:$port/health" "$server"
if [ "$failed" != 0 ] && ! kill -0 "$server" 2>/dev/null; then
  cat "$tmp/signald.log"
  finish
fi
check "server: -health is 0 while it runs" healthy "$port"
check "server: -health is 1 where nothing listens" unhealthy "$(free_ports 1)"
check "nginx: /health" await "$url/health" "$server"
check "nginx: plain HTTP redirects" status "301 https://127.0.0.1/health" "http://127.0.0.1:$http/health"
check "nginx: /metrics stays inside" status "404 " "$url/metrics"
check "nginx: Socket.IO upgrade gives 101 and the handshake" socketio_upgraded
check "nginx: Socket.IO upgrade from the server's own origin" socketio_upgraded -H "Origin: $url"
check "nginx: Socket.IO upgrade from a foreign origin gives 403" foreign_origin
for path in / /signaling /ws; do check "nginx: Volli upgrade at $path gives 101" upgraded "$path"; done
check "nginx: Socket.IO long-polling" polling
check "nginx: rate limit by the client's own address" client_ip
check "server: SIGTERM ends it in time with exit code 0" stops
[ "$failed" = 0 ] || tail -n 5 "$tmp/signald.log" "$tmp/error.log"

# --- two instances behind nginx ---------------------------------------------------------------

if ! have redis-server --version; then
  skip "nginx-cluster.conf" "redis-server is missing (run make setup)"
  finish
fi

read -r redis one two http < <(free_ports 4 | xargs)
url=http://127.0.0.1:$http
mkdir "$tmp/cluster"
sed -e "s/listen 80;/listen 127.0.0.1:$http;/" -e "s/signald-1:3001/127.0.0.1:$one/" -e "s/signald-2:3001/127.0.0.1:$two/" \
  -e "s|^http {|pid $tmp/cluster/nginx.pid; http { client_body_temp_path $tmp/cluster/b; proxy_temp_path $tmp/cluster/p; fastcgi_temp_path $tmp/cluster/f; uwsgi_temp_path $tmp/cluster/u; scgi_temp_path $tmp/cluster/s;|" \
  deploy/nginx-cluster.conf >"$tmp/cluster/nginx.conf"
nginx=(nginx -p "$tmp/cluster" -e "$tmp/cluster/error.log" -c "$tmp/cluster/nginx.conf")

redis-server --port "$redis" --bind 127.0.0.1 --save '' --appendonly no --dir "$tmp/cluster" >"$tmp/cluster/redis.log" 2>&1 &
pids+=($!)
declare -A instance # port: process
for port in "$one" "$two"; do
  env -i PORT="$port" HOST=127.0.0.1 NODE_ENV=production TRUSTED_PROXIES=1 RATE_LIMIT=0 REDIS_URL="redis://127.0.0.1:$redis" \
    NODE_ID="signald-$port" "${signald[@]}" >"$tmp/cluster/$port.log" 2>&1 &
  instance[$port]=$!
  pids+=($!)
done
check "nginx-cluster.conf: nginx -t" no_warnings "${nginx[@]}" -t
"${nginx[@]}" -g 'daemon off;' >"$tmp/cluster/nginx.log" 2>&1 &
pids+=($!)

joined() { await "http://127.0.0.1:$1/ready" "${instance[$1]}"; }
connections() { # connections PORT TRANSPORT: how many sessions an instance has
  curl -sf "http://127.0.0.1:$1/stats" | jq ".connections.socketio.$2"
}
balanced() { # eight WebSockets from one address
  local _ clients=() a=0 b=0
  for _ in {1..8}; do
    curl -sN --http1.1 --max-time 20 -o /dev/null -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
      -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$url/socket.io/?EIO=4&transport=websocket" &
    clients+=($!)
  done
  for _ in {1..100}; do
    a=$(connections "$one" websocket) b=$(connections "$two" websocket)
    [ $((a + b)) = 8 ] && break
    sleep 0.1
  done
  kill "${clients[@]}"
  wait "${clients[@]}" 2>/dev/null
  echo "$a and $b"
  [ "$a" -gt 0 ] && [ "$b" -gt 0 ] && [ $((a + b)) = 8 ]
}
sticky() { # sixteen addresses: sessions hold, and both instances have some
  local i session sid a b
  for i in {1..16}; do
    session="$url/socket.io/?EIO=4&transport=polling"
    sid=$(curl -sf --interface "127.0.1.$i" "$session" | jq -Rr 'ltrimstr("0") | fromjson | .sid') && [ -n "$sid" ] &&
      [ "$(curl -sf --interface "127.0.1.$i" -H 'Content-Type: text/plain;charset=UTF-8' -d 40 "$session&sid=$sid")" = ok ] &&
      [[ $(curl -sf --max-time 5 --interface "127.0.1.$i" "$session&sid=$sid") == '40{"sid":'* ]] || { echo "address $i"; return 1; }
  done
  a=$(connections "$one" polling) b=$(connections "$two" polling)
  echo "$a and $b"
  [ "$a" -gt 0 ] && [ "$b" -gt 0 ] && [ $((a + b)) = 16 ]
}
upgrades() { # long-polling sessions that go over to WebSocket, from four addresses
  local i sid
  for i in {21..24}; do
    sid=$(curl -sf --interface "127.0.1.$i" "$url/socket.io/?EIO=4&transport=polling" | jq -Rr 'ltrimstr("0") | fromjson | .sid') && [ -n "$sid" ] &&
      upgraded "/socket.io/?EIO=4&transport=websocket&sid=$sid" --interface "127.0.1.$i" --max-time 1 >/dev/null || { echo "address $i"; return 1; }
  done
}
survives() { # no newcomer is refused while one instance stops, nor after
  local i
  kill -TERM "${instance[$one]}"
  for i in {1..6}; do
    curl -sf -o /dev/null --interface "127.0.1.$i" "$url/" && upgraded "/socket.io/?EIO=4&transport=websocket" --max-time 1 >/dev/null || return
  done
  wait "${instance[$one]}"
}

for port in "$one" "$two"; do check "cluster: $port has joined" joined "$port"; done
check "cluster: nginx: /metrics stays inside" status "404 " "$url/metrics"
check "cluster: nginx: WebSockets go to both instances" balanced
check "cluster: nginx: long-polling sessions stay on theirs" sticky
check "cluster: nginx: so do their upgrades" upgrades
check "cluster: nginx: newcomers go on when one instance stops" survives
[ "$failed" = 0 ] || tail -n 5 "$tmp/cluster/"*.log
finish
