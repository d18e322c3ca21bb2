#!/usr/bin/env bash
# Keep outputs of notebooks out of commits: git takes notebooks through nbstripout when they are added. The files that
# you work with keep their outputs. The first argument names the environment that has nbstripout.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(cd "${1:-.venv}" && pwd)
name=eicpy-notebooks

git rev-parse --git-dir >/dev/null 2>&1 || { echo "make hooks: this is no git clone" >&2; exit 1; }
[ -x "$venv/bin/nbstripout" ] || { echo "make hooks: $venv has no nbstripout; make install first" >&2; exit 1; }
git config "filter.$name.clean" "'$venv/bin/nbstripout' --keep-id"
git config "filter.$name.smudge" cat
attributes=$(git rev-parse --git-path info/attributes)
mkdir -p "$(dirname "$attributes")"
grep -qsx "\*.ipynb filter=$name" "$attributes" || echo "*.ipynb filter=$name" >>"$attributes"
echo "make hooks: outputs of notebooks stay out of your commits; undo: git config --remove-section filter.$name"
