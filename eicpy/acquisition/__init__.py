"""Acquisition: the live chain from the socket to the archive, its status, and delivery to other programs.

``reception`` receives and archives, ``status`` reports how each part is and takes orders, ``delivery`` hands
packets to pipes and other hosts. The archive itself is :mod:`eicpy.runs`.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.acquisition.reception.archiver import Archiver, RunTexts
    from eicpy.acquisition.reception.options import LOOPBACK, ListenAddress, ReceiveRules
    from eicpy.acquisition.reception.receiver import ReceiveCallbacks, ReceiveSummary, receive
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "LOOPBACK",
    "Archiver",
    "ListenAddress",
    "ReceiveCallbacks",
    "ReceiveRules",
    "ReceiveSummary",
    "RunTexts",
    "receive",
]
