#!/usr/bin/env bash
# Builds a release as .github/workflows/release.yml does, without publishing it, and tries its
# results: the archive and the package of this machine, and "go install …@latest". It needs root
# on Debian, and takes minutes, most of them to compile goreleaser the first time.
set -euo pipefail
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  chmod -R u+w "$tmp" && rm -rf "$tmp"
}
trap finish EXIT
ok() { echo "ok    $*"; }
fail() { echo "FAIL  $*" >&2; exit 1; }

# A snapshot has a revision only where the repository has a remote.
if [ -z "$(git remote)" ]; then
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=remote.origin.url GIT_CONFIG_VALUE_0=https://github.com/oodaa/signaling
fi

revision=$(git rev-parse HEAD)
goreleaser=(go tool -modfile=tools/release/go.mod goreleaser)
"${goreleaser[@]}" check
"${goreleaser[@]}" release --snapshot --clean --parallelism 2

arch=$(go env GOARCH)
for os in linux darwin; do
  for a in amd64 arm64; do [ -s "dist/signald_${os}_$a.tar.gz" ] || fail "no archive for $os $a"; done
done
for a in amd64 arm64; do
  [ -s "dist/signald_windows_$a.zip" ] || fail "no archive for windows $a"
  for kind in deb rpm; do [ -s "dist/signald_linux_$a.$kind" ] || fail "no .$kind for $a"; done
done
ok "archives and packages for every platform"
(cd dist && sha256sum --quiet -c checksums.txt)
ok "checksums"

# The documents name files of the release.
while read -r file; do [ -e "dist/$file" ] || fail "the documents name $file"; done \
  < <(grep -rhoE 'releases/latest/download/[a-z0-9_.]+' README.md docs | sed 's|.*/||' | sort -u)
ok "the files that the documents name"

runs() { # runs BINARY: it knows its revision, serves, and stops
  "$1" -version | tee "$tmp/version"
  grep -qF "(revision $revision," "$tmp/version" || fail "$1 does not know its revision"
  HOST=127.0.0.1 PORT=0 "$1" 2>"$tmp/log" &
  server=$!
  for _ in {1..100}; do
    port=$(sed -n 's/.*msg=listening addr=127.0.0.1:\([0-9]*\).*/\1/p' "$tmp/log") && [ -n "$port" ] && break
    sleep 0.1
  done
  curl -sf "http://127.0.0.1:$port/health" | grep -q '"status":"ok"' || fail "$1 does not serve"
  curl -sf "http://127.0.0.1:$port/stats" | grep -qF "\"revision\":\"$revision\"" || fail "/stats has another revision"
  kill "$server" && wait "$server" || fail "$1 does not stop"
  server=
}

tar -xzf "dist/signald_linux_$arch.tar.gz" -C "$tmp"
runs "$tmp/signald"
ok "the archive's binary runs"

dpkg -i "dist/signald_linux_$arch.deb" >/dev/null
runs /usr/local/bin/signald
systemd-analyze verify --recursive-errors=no --man=no /lib/systemd/system/signald.service
dpkg -r signald >/dev/null
[ ! -e /usr/local/bin/signald ] && [ ! -e /lib/systemd/system/signald.service ] || fail "the package leaves files"
ok "the .deb was installed, started and removed"

# What the module proxy will serve: this module as of this commit.
module=github.com/oodaa/signaling version=v$(sed -n 's/^const current = "\(.*\)"/\1/p' server/build.go)
at=$tmp/proxy/$module/@v
mkdir -p "$at"
echo "$version" >"$at/list"
echo "{\"Version\":\"$version\"}" >"$at/$version.info"
cp "$at/$version.info" "$tmp/proxy/$module/@latest"
cp go.mod "$at/$version.mod"
git archive --format zip --prefix "$module@$version/" -o "$at/$version.zip" HEAD ':!tools' ':!bench/framing'
GOFLAGS=-modcacherw GOBIN=$tmp/bin GONOSUMDB=$module GOPROXY=file://$tmp/proxy,$(go env GOPROXY) \
  go install "$module/cmd/signald@latest"
"$tmp/bin/signald" -version | tee "$tmp/version"
grep -q "^signald ${version#v} " "$tmp/version" || fail "go install: another version"
ok "go install $module/cmd/signald@latest"
