#!/usr/bin/env bash
# Every check of the code that is not a test. All of them run; the exit code tells whether all passed.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

check() {
  local name=$1
  shift
  if output=$("$@" 2>&1); then
    echo "ok      $name"
  else
    failed+=("$name")
    printf 'FAILED  %s\n%s\n' "$name" "$output"
  fi
}

mapfile -t notebooks < <(git ls-files '*.ipynb' 2>/dev/null || find notebooks dashboards -name '*.ipynb')
check "ruff check" ruff check --no-fix .
check "ruff format" ruff format --check .
check "mypy" mypy
check "floors of the house" lint-imports
[ ${#notebooks[@]} -eq 0 ] || check "notebooks without outputs" nbstripout --verify --keep-id "${notebooks[@]}"

if [ ${#failed[@]} -gt 0 ]; then
  echo "make lint: ${#failed[@]} failed" >&2
  exit 1
fi
