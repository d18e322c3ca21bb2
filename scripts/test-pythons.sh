#!/usr/bin/env bash
# The quick tests under every Python that the package supports: an environment of its own for each, built from
# requirements.lock. An interpreter is taken where one is installed, else fetched by uv where it may; one that is
# not to be had is named, and the others are tested. Arguments go to pytest, for example a room: tests/packets.
set -uo pipefail
cd "$(dirname "$0")/.."
versions=${PYTHONS:-3.11 3.12 3.13}
status=0
results=()

# The interpreter of a version, of which the system's own or one of pyenv may lie outside the search path.
find_python() {
  local found
  for found in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    found=$(command -v "$found") && "$found" -c 'import sys; sys.exit(sys.argv[1] != "%d.%d" % sys.version_info[:2])' "$1" 2>/dev/null &&
      { echo "$found"; return; }
  done
  uv python install --quiet "$1" 2>/dev/null && uv python find "$1"
}

for version in $versions; do
  if ! python=$(find_python "$version"); then
    results+=("Python $version: not found and not to be fetched; not tested")
    continue
  fi
  venv=.venv-$version
  if PYTHON=$python scripts/install.sh "$venv" &&
    PATH="$PWD/$venv/bin:$PATH" "$venv/bin/pytest" -m "not slow and not browser" --ignore tests/project -q \
      --numprocesses "${WORKERS:-2}" --dist loadfile "${@:-tests}" </dev/null; then
    results+=("Python $version: passed")
  else
    results+=("Python $version: FAILED")
    status=1
  fi
done
printf '%s\n' "${results[@]}"
exit $status
