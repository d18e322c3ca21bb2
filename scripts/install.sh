#!/usr/bin/env bash
# Build the virtual environment named by the first argument from requirements.lock: versions and hashes as
# locked, the package itself editable. Nothing outside that folder is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
PATH=${PATH//"$PWD/$venv/bin:"/} # `python3` is the system's, also where the environment is active
python=${PYTHON:-python3}

fail() { printf '\nmake install: %s\n' "$1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "no '$python' found; install Python 3.11 or newer, or name one: make install PYTHON=/path/to/python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old, eicpy needs Python 3.11 or newer; name one: make install PYTHON=/path/to/python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "'$python' cannot create virtual environments; on Debian: apt-get install python3-venv"

# An environment of another Python, or one that was moved, is built anew.
made_for="$PWD/$venv with $("$python" -c 'import sys; print(sys.executable, sys.version)' | tr -s "\n" " ")"
if [ "$(cat "$venv/.made-for" 2>/dev/null)" != "$made_for" ]; then
  rm -rf "$venv"
  "$python" -m venv "$venv"
  echo "$made_for" >"$venv/.made-for"
fi

# uv, at the locked version and checked against the locked hashes, installs the rest in seconds.
awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements.lock >"$venv/uv.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$venv/uv.txt"
uv=("$venv/bin/uv" pip)
export VIRTUAL_ENV=$PWD/$venv
"${uv[@]}" install --quiet --require-hashes --requirement requirements.lock
"${uv[@]}" install --quiet --no-build-isolation --no-deps --editable .
echo "make install: $("$venv/bin/python" --version), eicpy $("$venv/bin/python" -c 'import eicpy; print(eicpy.__version__)') in $venv"
if git rev-parse --git-dir >/dev/null 2>&1 && ! git config filter.eicpy-notebooks.clean >/dev/null; then
  echo "make install: 'make hooks' keeps outputs of notebooks out of your commits"
fi
