"""Counts photons per pixel of the Arrow tables that come on standard input.

eic follow live -i eclairs --kind photons --photons --format arrow | python count_photons.py
"""

import sys

import numpy as np
import pyarrow as pa

counts = np.zeros(6400, dtype=np.int64)
with pa.ipc.open_stream(sys.stdin.buffer) as batches:
    for batch in batches:
        counts += np.bincount(batch["detnum"], minlength=len(counts))

brightest = counts.argmax()
sys.stdout.write(
    f"{counts.sum()} photons in {np.count_nonzero(counts)} pixels, "
    f"most in pixel {brightest}: {counts[brightest]}\n"
)
