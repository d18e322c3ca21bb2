#!/usr/bin/env bash
# What the tests need from the system: a Chromium for the pages, a PostgreSQL server for the database by URL, a
# NATS server for messages beyond one host, a C compiler for the worked example in C.
# Installed where that is possible (root on a Debian); otherwise what is missing is named, and the tests that
# need it skip with that reason.
set -euo pipefail

missing=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v pg_ctl >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null || missing+=(postgresql)
command -v nats-server >/dev/null || missing+=(nats-server)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "make test: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if { apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    exit 0
  fi
  tail -n 15 "$log" >&2
  rm -f "$log"
fi
echo "make test: not found: ${missing[*]}; the tests that need them will be skipped." >&2
echo "           On Debian: sudo apt-get install ${missing[*]}" >&2
