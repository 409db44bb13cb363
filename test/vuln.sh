#!/usr/bin/env bash
# Looks for known vulnerabilities in what the binaries call (govulncheck). One
# that is found fails. Where the database cannot be reached, nothing is known:
# that fails too, unless VULN_OFFLINE=1, which says so and goes on.
set -uo pipefail
cd "$(dirname "$0")/.."

out=$(go run golang.org/x/vuln/cmd/govulncheck@v1.8.0 ./... 2>&1)
status=$?
echo "$out"
[ "$status" -eq 0 ] && exit 0
if [ "${VULN_OFFLINE:-}" = 1 ] && grep -q "fetching vulnerabilities" <<<"$out"; then
  echo "vuln: NOT CHECKED: the database of vulnerabilities cannot be reached from here" >&2
  exit 0
fi
exit 1
