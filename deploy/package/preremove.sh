#!/bin/sh
# Stops the server when the package is removed; on an upgrade ("upgrade", or 1 from rpm) it goes on.
set -e
case "$1" in upgrade | 1) exit 0 ;; esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now signald
