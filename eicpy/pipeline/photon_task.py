"""A segment of photons: from packets to a photon file and the sums a night needs of it.

Runs in any process. What it leaves is a photon file (ECL-EVT-CAL) and, last of all, a file of sums
under ``.work``: when that is there, the segment is done, and a night that was interrupted takes it as it is.
"""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eicpy.calibration.table import Treatment
from eicpy.decoding import photons
from eicpy.events import (
    EnergyBands,
    EventList,
    EventWriter,
    GoodTimeIntervals,
    PhotonAccumulator,
    Scale,
    multiples_card,
    readouts,
    tick_of,
    treat_multiples,
)
from eicpy.files import atomic_file
from eicpy.instruments import Instrument, load
from eicpy.pipeline.plan import SLACK, Segment
from eicpy.pipeline.rate import CLOSE
from eicpy.products import Observation, Provenance

__all__ = ["PhotonSums", "PhotonTask", "process_photons"]

STEP = 1.0
"""Width of a bin of the light curve, s."""


@dataclass(frozen=True)
class PhotonTask:
    """All that a worker needs to know.

    Parameters
    ----------
    instrument
        Name of the detector.
    segment
        Its packets.
    treatment
        Energy scale and bands of its photons.
    gti
        Good time intervals of the night.
    allowed
        Times that the housekeeping allows: the other photons go to the file and not into the sums.
    span
        Begin and end of the night, s.
    product
        The photon file to write.
    sums
        The file of sums to write.
    provenance
        Record of the photon file.
    observation
        What is known of the observation.
    """

    instrument: str
    segment: Segment
    treatment: Treatment
    gti: GoodTimeIntervals
    allowed: GoodTimeIntervals
    span: tuple[float, float]
    product: Path
    sums: Path
    provenance: Provenance
    observation: Observation = field(default_factory=Observation)


@dataclass(frozen=True)
class PhotonSums:
    """What a segment adds to the night.

    Parameters
    ----------
    photons
        Number of photons in the file.
    outside
        Those of them outside the times that the housekeeping allows; they are in no sum.
    wrong
        Photons left out: no such pixel or channel, or a time outside the night.
    first_bin
        Begin of the light curve, s.
    light_curve
        Counts, shape (bands, bins).
    recorded
        Photons of every energy, shape (bins,).
    images
        Counts, shape (bands, pixels).
    spectra
        Counts of events of one pixel alone, shape (pixels, channels).
    readouts
        Times that a pixel made its sector dead, shape (pixels,).
    """

    photons: int
    outside: int
    wrong: int
    first_bin: float
    light_curve: npt.NDArray[np.int64]
    recorded: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    spectra: npt.NDArray[np.int32]
    readouts: npt.NDArray[np.int64]

    def write(self, path: Path) -> None:
        """Write the sums, all or nothing."""
        # the smallest type that holds them, uncompressed: compression took longer than all the rest
        small = self.spectra.astype(np.min_scalar_type(int(self.spectra.max(initial=0))))
        with atomic_file(path) as file:
            np.savez(
                file,
                numbers=np.array([self.photons, self.outside, self.wrong], np.int64),
                first_bin=np.array(self.first_bin),
                light_curve=self.light_curve,
                recorded=self.recorded,
                images=self.images,
                spectra=small,
                readouts=self.readouts,
            )

    @classmethod
    def read(cls, path: Path) -> "PhotonSums | None":
        """Read sums; None where there are none that can be read."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                photons, outside, wrong = arrays["numbers"].tolist()
                return cls(
                    photons,
                    outside,
                    wrong,
                    float(arrays["first_bin"]),
                    arrays["light_curve"],
                    arrays["recorded"],
                    arrays["images"],
                    arrays["spectra"].astype(np.int32),
                    arrays["readouts"],
                )
        except (FileNotFoundError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            return None


def process_photons(task: PhotonTask) -> Path:
    """Make the photon file and the sums of a segment.

    Returns
    -------
    pathlib.Path
        The file of sums.
    """
    instrument = load(task.instrument)
    low, high = task.span[0] - SLACK, task.span[1] + SLACK
    blocks: list[EventList] = []
    wrong = 0
    for stretch in task.segment.stretches:
        columns = photons(np.memmap(stretch.file, np.uint8, "r"), stretch.index, instrument)
        inside = (columns.time >= low) & (columns.time < high)
        block = EventList.of(columns)
        blocks.append(block if inside.all() else block[inside])
        wrong += columns.bad_pixel + columns.bad_channel + int(np.count_nonzero(~inside))
    filled = [b for b in blocks if len(b)]
    first = np.floor(min((float(b.time.min()) for b in filled), default=task.span[0]) / STEP) * STEP
    last = max((float(b.time.max()) for b in filled), default=first)
    sums = PhotonAccumulator(
        instrument.pixels.count,
        instrument.energy.channels,
        first,
        last + STEP,
        STEP,
        EnergyBands(task.treatment.bands),
        tick=tick_of(instrument),
    )
    span = GoodTimeIntervals(first, last + STEP)
    tick = tick_of(instrument) or CLOSE
    dead = np.zeros(instrument.pixels.count, np.int64)
    written = counted = 0
    with EventWriter(
        task.product,
        instrument,
        provenance=task.provenance,
        gti=task.gti & span,
        observation=task.observation,
        header=multiples_card("all"),
    ) as writer:
        for block in filled:
            for part in block.blocks():
                writer.append(part, task.treatment.scale)
                written += len(part)
                allowed = task.allowed.mask(part.time)
                good = part if allowed.all() else part[allowed]
                counted += len(good)
                dead += np.bincount(good.detnum[readouts(good, instrument.pixels, tick)], minlength=dead.size)
                _add(sums, good, task.treatment.scale, instrument, tick)
    PhotonSums(
        photons=written,
        outside=written - counted,
        wrong=wrong,
        first_bin=first,
        light_curve=sums.light_curve.result().counts,
        recorded=sums.light_curve.recorded,
        images=sums.images.counts,
        spectra=sums.spectra.counts,
        readouts=dead,
    ).write(task.sums)
    return task.sums


def _add(
    sums: PhotonAccumulator, photons: EventList, scale: Scale, instrument: Instrument, tick: float
) -> None:
    """Add photons: spectra of events of one pixel alone, images and light curve of whole photons."""
    whole = treat_multiples(photons, "combine", scale=scale, grid=instrument.pixels, tick=tick)
    alone = whole.multiplicity <= 1
    if alone.all():
        sums.add(whole, scale)
        return
    sums.add(whole[alone], scale)
    joined = whole[~alone]
    sums.images.add(joined, scale)
    sums.light_curve.add(joined, scale)
