#!/usr/bin/env bash
# One night of the camera, from nothing to the pages: simulate, receive over TCP, run, serve. A second call finds
# the night there and goes on to the pages. SERVE=no stops after the reports; DURATION=<seconds> takes a shorter
# night; EIC_HOME=<folder> keeps it apart from everything else.
set -euo pipefail
cd "$(dirname "$0")/.."

home=$(python -c 'from eicpy.settings import Settings; print(Settings.from_environment().home)')
export EIC_HOME=$home
folder=$home/simulated/demo
duration=${DURATION:-}
received=$folder/received

say() { printf '\n\033[1m== %s\033[0m\n' "$1"; }

# Loss and damage are part of the demonstration night: exit code 1 names them, and the good part is kept.
tolerant() {
  local code=0
  "$@" || code=$?
  [ "$code" -le 1 ] || exit "$code"
}

say "Everything of this set-up lies in $home"
if [ -f "$received" ] && [ "$(cat "$received")" != "duration=$duration" ]; then
  echo "It holds a demonstration night of another duration ($(cat "$received")). Take another folder: make demo EIC_HOME=..." >&2
  exit 2
fi

if [ -f "$received" ]; then
  say "The demonstration night was received before"
else
  say "Simulate a night of ECLAIRs: packets, and the truth beside them"
  eic simulate demo --out "$folder" ${duration:+--duration "$duration"}
  packets=$(find "$folder" -name '*.ccsds' | head -n 1)

  say "Receive it over TCP"
  port_file=$(mktemp -u)
  eic receive --instrument eclairs --once --port-file "$port_file" &
  receiver=$!
  trap 'kill "$receiver" 2>/dev/null || true; rm -f "$port_file"' EXIT
  until [ -s "$port_file" ]; do
    kill -0 "$receiver" 2>/dev/null || { echo "the receiver ended before it listened" >&2; exit 3; }
    sleep 0.1
  done
  eic send "$packets" --to "127.0.0.1:$(cat "$port_file")"
  tolerant wait "$receiver"
  rm -f "$port_file"
  trap - EXIT
  say "Take the attitude and the orbit of the satellite, which come as files"
  find "$folder" -name 'SVO-*.fits' -exec eic ingest --instrument eclairs {} +
  echo "duration=$duration" >"$received"
fi

say "Run the night: calibrate, monitor, report"
tolerant eic night --instrument eclairs
echo "Reports: file://$home/reports/index.html"

[ "${SERVE:-yes}" != no ] || exit 0
say "Serve the dashboard and the reports; Ctrl-C ends it"
exec eic dashboards
