#!/usr/bin/env bash
# All checks and all tests. Tests run even where a check failed, so that one call tells everything;
# pytest's closing line is the last line of the output.
set -uo pipefail
cd "$(dirname "$0")/.."

status=0
scripts/lint.sh || status=1

workers=${WORKERS:-2}
# Each process on a core of its own: linear algebra on all cores at once in all of them is slower than on one.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# A file of tests stays in one process, so that what it prepares - a browser, a simulated night - is made once.
# Files are taken in the order of tests/conftest.py, those with slow tests first.
pytest --numprocesses "$workers" --dist loadfile --no-loadscope-reorder --durations 15 "$@" </dev/null || status=1
exit $status
