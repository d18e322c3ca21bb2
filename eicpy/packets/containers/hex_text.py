r"""Packets written as hexadecimal text, as they stand in logs, mails and test reports.

Digits may be separated by spaces, line ends, commas, semicolons, colons, hyphens and underscores, and bytes
may begin with ``0x`` or ``\x``. Where each line has whole bytes, a line with half a byte is damaged: it is
named, and the next line begins with a whole byte again.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from eicpy.packets.containers.blocks import Blocks
from eicpy.packets.containers.findings import Findings

__all__ = ["dump_with_addresses", "from_hex", "is_hex_text"]

_SEPARATORS = b" \t\r\n,;:-_\"'()[]{}"
_DIGITS = b"0123456789abcdefABCDEF"
_PREFIX = re.compile(rb"0[xX]|\\x")
_SHORT = re.compile(rb"0[xX]([0-9a-fA-F])(?![0-9a-fA-F])")
_ADDRESS = re.compile(rb"[0-9a-fA-F]{4,16}[: ] ?[0-9a-fA-F]{2}")
_BOM = b"\xef\xbb\xbf"
_LONGEST_LINE = 1 << 20
_FEWEST = 14
"""Digits of the shortest packet."""


def _digits(text: bytes) -> bytes:
    """Text without separators and prefixes."""
    text = _SHORT.sub(rb"0\1 ", text)
    return _PREFIX.sub(b"", text).translate(None, _SEPARATORS)


def is_hex_text(head: bytes) -> bool:
    """Whether the beginning of a file is hexadecimal text."""
    digits = _digits(head.removeprefix(_BOM))
    odd = digits.translate(None, _DIGITS)
    return len(digits) >= _FEWEST and len(odd) * 1000 <= len(digits)


def dump_with_addresses(head: bytes) -> bool:
    """Whether a text is what ``xxd`` or ``hexdump`` print: an address before the bytes of each line."""
    lines = head.removeprefix(_BOM).splitlines()[:50]
    if len(lines) < 2 or not all(_ADDRESS.match(line) for line in lines[:-1] if line.strip()):
        return False
    numbers = [int(re.split(rb"[: ]", line)[0], 16) for line in lines[:-1] if line.strip()]
    steps = {b - a for a, b in pairwise(numbers)}
    return numbers[0] == 0 and (len(numbers) == 1 or (len(steps) == 1 and steps <= {8, 10, 16, 32}))


def from_hex(blocks: Blocks, findings: Findings, head: bytes) -> Blocks:
    """The bytes that a hexadecimal text stands for.

    Parameters
    ----------
    blocks
        The text.
    findings
        Takes what is no digit and half bytes.
    head
        The beginning of the text: whether its lines hold whole bytes.
    """
    lines = head.splitlines()[1:-1]
    whole = sum(len(_digits(line)) % 2 == 0 for line in lines) * 10 >= 9 * len(lines)

    def read() -> Iterator[bytes]:
        bad = halves = 0
        half = b""
        for text in _lines(blocks):
            digits = half + _digits(text.removeprefix(_BOM))
            odd = digits.translate(None, _DIGITS)
            if odd:
                bad += len(odd)
                digits = digits.translate(None, odd)
            half = digits[len(digits) & ~1 :]
            if whole and half and text.endswith(b"\n"):
                halves += 1
                half = b""
            if out := bytes.fromhex(digits[: len(digits) & ~1].decode()):
                yield out
        halves += bool(half)
        if bad:
            findings.remark(f"hexadecimal text: {bad} characters that are no digits were left out")
        if halves:
            findings.remark(f"hexadecimal text: {halves} digits that are half a byte were left out")

    return read


def _lines(blocks: Blocks) -> Iterator[bytes]:
    """Lines of a text; a very long one in pieces that do not cut a prefix."""
    rest = b""
    for block in blocks():
        text = rest + block
        lines = text.splitlines(keepends=True)
        rest = b"" if text.endswith(b"\n") or not lines else lines.pop()
        yield from lines
        if len(rest) > _LONGEST_LINE:
            cut = max(rest.rfind(b" ") + 1, rest.rfind(b",") + 1, rest.rfind(b"\\")) or len(rest)
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest
