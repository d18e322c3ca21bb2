"""The compiled loop that finds where records begin that differ in size.

What a record holds is a small program: read a counter, skip so many bits, skip so many records of one size,
repeat a part. One pass over a packet runs it record by record. The place never moves back, so that a counter
damaged on the way costs no more than the bits of its packet.
"""

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import ByteArray, address_of, kernel
from eicpy.packets.decode_kernels import limited_bits

__all__ = ["BEGIN", "COUNT", "DEEPEST", "END", "REPEAT", "SKIP", "STEP_COLUMNS", "walk_records"]

Ints = npt.NDArray[np.int64]

STEP_COLUMNS = 6
"""Numbers of a step: its code, and what the codes below say."""
COUNT = 0
"""Read a counter: register, bit from the base, width, whether it is signed."""
SKIP = 1
"""Go on: bits."""
REPEAT = 2
"""Go over records of one size: register (−1: a number), number, bit of the first, bits of each."""
BEGIN = 3
"""Begin to repeat a part: register (−1: a number), number, bit of the first, bits that it needs, step after."""
END = 4
"""End of the part."""
DEEPEST = 16
"""Most records around a record."""


@kernel
def walk_records(
    buffer: ByteArray, start_bit: Ints, end_bit: Ints, asked: Ints, outside: Ints, registers: Ints,
    need: int, steps: Ints, first: Ints, places: Ints, counts: Ints, after: Ints, whole: ByteArray,
) -> None:  # fmt: skip  # buffers first, the program, then what is written
    """Find the records of a group in each packet.

    Parameters
    ----------
    buffer
        Shape (n_bytes,).
    start_bit, end_bit
        Shape (n_rows,): first bit of the first record; first bit that is none of theirs.
    asked
        Shape (n_rows,): records that there should be.
    outside
        Shape (n_rows, n_outside): counters that stand outside of the record, in the first registers.
    registers
        Shape (n_registers,): room to work.
    need
        Bits that must be left for a record.
    steps
        Shape (n_steps, 6): the program of one record.
    first
        Shape (n_rows,): how many records all rows before have.
    places
        First bit of each record; of size 0 they are only counted.
    counts, after
        Shape (n_rows,): written: records found, and the first bit after them.
    whole
        Shape (n_rows,): written: whether all were there, and all that they promise.
    """
    source = address_of(buffer)
    n_steps = steps.shape[0]
    left = np.zeros(DEEPEST, dtype=np.int64)
    begun = np.zeros(DEEPEST, dtype=np.int64)
    for i in range(start_bit.size):
        for k in range(outside.shape[1]):
            registers[k] = outside[i, k]
        place = start_bit[i]
        end = end_bit[i]
        stop = min(end, 8 * buffer.size)
        count = 0
        fits = True
        while count < asked[i] and place + need <= end:
            if places.size > 0:
                places[first[i] + count] = place
            count += 1
            step = 0
            depth = -1
            while step < n_steps:
                code, a, b = steps[step, 0], steps[step, 1], steps[step, 2]
                if code == COUNT:
                    width = steps[step, 3]
                    value = np.int64(limited_bits(source, place + b, width, stop))
                    if steps[step, 4] and width < 64 and value >> (width - 1):
                        value -= np.int64(1) << width
                    registers[a] = value
                elif code == SKIP:
                    place += a
                elif code == REPEAT:
                    number = b if a < 0 else registers[a]
                    place += steps[step, 3]
                    room = max(end - place, 0) // steps[step, 4]
                    if number < 0 or number > room:
                        fits = False
                        number = min(max(number, 0), room)
                    place += number * steps[step, 4]
                elif code == BEGIN:
                    number = b if a < 0 else registers[a]
                    place += steps[step, 3]
                    if number <= 0 or place + steps[step, 4] > end:
                        fits = fits and number == 0
                        step = steps[step, 5]
                        continue
                    depth += 1
                    left[depth] = number
                    begun[depth] = step
                else:
                    left[depth] -= 1
                    top = begun[depth]
                    if left[depth] > 0 and place + steps[top, 4] <= end:
                        step = top
                    else:
                        fits = fits and left[depth] == 0
                        depth -= 1
                step += 1
        counts[i] = count
        after[i] = place
        whole[i] = fits and count == asked[i] and place <= end
