"""The compiled loop that finds where records begin that differ in size.

What a record holds is a small program: read a counter, skip so many bits, skip so many records of one size,
repeat a part. One pass over a packet runs it record by record. The cursor never moves back, so that a counter
damaged on the way costs no more than the bits of its packet.
"""

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, address_of, inline_kernel, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.byte_order import word_in_order
from eicpy.packets.decode_kernels import limited_bits
from eicpy.packets.repeats import LINEAR, MOST_COUNTED, OPERATORS

__all__ = ["BEGIN", "COUNT", "DEEPEST", "END", "ENDLESS", "REPEAT", "SKIP", "STEP_COLUMNS", "walk_records"]

Ints = npt.NDArray[np.int64]

STEP_COLUMNS = 8
"""Numbers of a step: its code, and what the codes below say."""
COUNT = 0
"""Read a counter: register, bit from the base, width, whether it is signed, order of its bytes."""
SKIP = 1
"""Go on: bits."""
REPEAT = 2
"""Go over records of one size: register (−1: a number), number, bit of the first, bits of each, nothing,
operator, factor. With a register the number is the operand of the operator: see `RecordCount`."""
BEGIN = 3
"""Begin to repeat a part: register (−1: a number), number, bit of the first, bits it needs, step after,
operator, factor."""
END = 4
"""End of the part."""
ENDLESS = 1 << 62
"""More records than any packet holds: asks for as many as there are."""
DEEPEST = 16
"""Most records around a record."""
UNEQUAL, LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL = (OPERATORS[s] for s in ("!=", "<", "<=", ">", ">="))


@inline_kernel
def _counter(source: int, bit: int, width: int, signed: int, order: int, end: int) -> Word:
    """A counter as a signed number."""
    value = np.int64(word_in_order(limited_bits(source, bit, width, end), width, order))
    if signed and width < 64 and value >> (width - 1):
        value -= np.int64(1) << width
    return value


@inline_kernel
def _asked(value: int, operator: int, factor: int, operand: int) -> int:
    """Records that a counter asks for; as `RecordCount.of`."""
    if operator == LINEAR:
        return min(max(value, -MOST_COUNTED), MOST_COUNTED) * factor + operand
    holds = value == operand
    if operator in (UNEQUAL, GREATER, GREATER_OR_EQUAL):
        holds = not holds
    less = value < operand
    if operator in (LESS, LESS_OR_EQUAL):
        holds = less or (operator == LESS_OR_EQUAL and holds)
    elif operator == GREATER:
        holds = holds and not less
    elif operator == GREATER_OR_EQUAL:
        holds = not less
    return 1 if holds else 0


@kernel
def _after_record(
    source: int, cursor: int, end: int, last: int, steps: Ints, registers: Ints, left: Ints, begun: Ints,
) -> tuple[int, bool]:  # fmt: skip  # where, the program, room to work
    """First bit after a record, and whether it holds all that its counters promise."""
    fits = True
    step = 0
    depth = -1
    while step < steps.shape[0]:
        code, a, b, c, d = steps[step, 0], steps[step, 1], steps[step, 2], steps[step, 3], steps[step, 4]
        if code == COUNT:
            registers[a] = _counter(source, cursor + b, c, d, steps[step, 5], last)
        elif code == SKIP:
            cursor += a
        elif code == REPEAT:
            asked = b if a < 0 else _asked(registers[a], steps[step, 6], steps[step, 7], b)
            cursor += c
            number = min(max(asked, 0), max(end - cursor, 0) // d)
            fits = fits and number == asked
            cursor += number * d
        elif code == BEGIN:
            asked = b if a < 0 else _asked(registers[a], steps[step, 6], steps[step, 7], b)
            cursor += c
            if asked <= 0 or cursor + d > end:
                fits = fits and asked == 0
                step = steps[step, 5]
                continue
            depth += 1
            left[depth] = asked
            begun[depth] = step
        else:
            left[depth] -= 1
            if left[depth] > 0 and cursor + steps[begun[depth], 4] <= end:
                step = begun[depth]
            else:
                fits = fits and left[depth] == 0
                depth -= 1
        step += 1
    return cursor, fits


@kernel
def walk_records(
    buffer: ByteArray, start_bit: Ints, end_bit: Ints, asked: Ints, outside: Ints, registers: Ints,
    need: int, steps: Ints, first: Ints, positions: Ints, counts: Ints, after: Ints, whole: ByteArray,
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
        Shape (n_steps, 8): the program of one record.
    first
        Shape (n_rows,): how many records all rows before have.
    positions
        First bit of each record; of size 0 they are only counted.
    counts, after
        Shape (n_rows,): written: records found, and the first bit after them.
    whole
        Shape (n_rows,): written: whether all were there, and all that they promise.
    """
    source = address_of(buffer)
    left = np.zeros(DEEPEST, dtype=np.int64)
    begun = np.zeros(DEEPEST, dtype=np.int64)
    for i in range(start_bit.size):
        registers[: outside.shape[1]] = outside[i]
        cursor = start_bit[i]
        end = end_bit[i]
        last = min(end, 8 * buffer.size)
        count = 0
        fits = True
        while count < asked[i] and cursor + need <= end:
            if positions.size > 0:
                positions[first[i] + count] = cursor
            count += 1
            cursor, right = _after_record(source, cursor, end, last, steps, registers, left, begun)
            fits = fits and right
        counts[i] = count
        after[i] = cursor
        whole[i] = fits and cursor <= end and (count == asked[i] or asked[i] == ENDLESS)
