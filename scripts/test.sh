#!/usr/bin/env bash
# All checks and all tests. Tests run even where a check failed, so that one call tells everything;
# pytest's closing line is the last line of the output.
set -uo pipefail
cd "$(dirname "$0")/.."

status=0
scripts/lint.sh || status=1

workers=${WORKERS:-2}
# Tests of one group (the browser, the database server) stay in one process; the others are shared out.
pytest --numprocesses "$workers" --dist loadgroup --durations 15 "$@" </dev/null || status=1
exit $status
