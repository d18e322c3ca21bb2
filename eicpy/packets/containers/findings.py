"""What the reading of a file brings to light besides its packets."""

from dataclasses import dataclass, field

from eicpy.packets.containers.frame_report import FrameReport

__all__ = ["Findings"]

MOST_REMARKS = 100
"""Remarks that are kept in full; of more, only their number."""


@dataclass
class Findings:
    """What was found while the packets of a file were taken out of what they lie in.

    Attributes
    ----------
    remarks
        What is not as it should be, in words, in the order of the file.
    more
        Remarks beyond the first `MOST_REMARKS`.
    frames
        Transfer frames, virtual channels and what is missing of them; None where there are none.
    """

    remarks: list[str] = field(default_factory=list)
    more: int = 0
    frames: FrameReport | None = None

    @property
    def is_clean(self) -> bool:
        """Whether nothing was missing, damaged or left out."""
        return not self.remarks and (self.frames is None or self.frames.is_clean)

    def remark(self, text: str) -> None:
        """Keep what is not as it should be."""
        if len(self.remarks) < MOST_REMARKS:
            self.remarks.append(text)
        else:
            self.more += 1

    def clear(self) -> None:
        """Forget what an earlier reading found."""
        self.remarks.clear()
        self.more = 0
        self.frames = None

    def lines(self) -> list[str]:
        """All of it, a line each."""
        more = [f"{self.more} more remarks"] if self.more else []
        return [*([] if self.frames is None else self.frames.lines()), *self.remarks, *more]
