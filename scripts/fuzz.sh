#!/usr/bin/env bash
# Look for inputs that nobody thought of, for FUZZ_TIME seconds each way: the packet code by coverage-guided fuzzing
# (beside .venv, since atheris wants an environment of its own), for a fifth of it damaged files given to the ingest,
# then all properties of the tests on random examples, round after round with another seed. What the last finds is
# kept in .hypothesis and tried first the next time; pin it as an explicit example of the test. Arguments go to
# pytest, for example a room: tests/importers.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_TIME:-600}

uv venv --quiet --allow-existing .venv-fuzz
uv pip install --quiet --python .venv-fuzz/bin/python atheris --editable .
mkdir -p fuzz-corpus
NUMBA_DISABLE_JIT=1 nice -n 10 .venv-fuzz/bin/python benchmarks/fuzz_packets.py fuzz-corpus \
  -max_total_time="$seconds" -max_len=1500 -len_control=0 -timeout=30

python benchmarks/fuzz_files.py --seconds "$((seconds / 5))" --seed "$RANDOM"

end=$((SECONDS + seconds))
round=0
until [ "$SECONDS" -ge "$end" ]; do
  round=$((round + 1))
  HYPOTHESIS_PROFILE=search nice -n 10 pytest -m hypothesis -q --no-header --hypothesis-seed="$RANDOM" \
    --numprocesses "${WORKERS:-2}" --dist loadfile "${@:-tests}" </dev/null
done
echo "make fuzz: $round rounds of all properties found nothing"
