"""What the quick look plays: the newest measurement as it comes, or a chosen run at a chosen pace."""

from dataclasses import dataclass, replace

from eicpy.dashboard.following import Followed, NewestMeasurement
from eicpy.dashboard.health import State
from eicpy.dashboard.source import STALE_AFTER, NewPackets, PacketTotals, age_of
from eicpy.decoding import is_simulated
from eicpy.errors import BadArgumentError, BadDataError, NotFoundError
from eicpy.instruments import Instrument
from eicpy.runs import Run, RunArchive
from eicpy.runs.metadata import folder_name
from eicpy.runs.provider.provide import Mode, ProvideOptions, Provider, provide
from eicpy.settings import Settings

__all__ = ["SPEEDS", "Playing", "StreamSource"]

SPEEDS: tuple[float | None, ...] = (1.0, 10.0, None)
"""Paces of a playback, as multiples of the on-board time's; None: as fast as possible."""
MOST_PACKETS = 2000
"""Packets taken in one go, so that a page can stop between two."""
MOST_STEPPED = 1000
LOOK_AGAIN = 1.0
"""Time between two looks for a newer measurement, s."""


@dataclass(frozen=True)
class Playing:
    """What is wanted.

    Parameters
    ----------
    run
        Number of the run; None: the newest measurement and those that follow, live.
    mode
        ``next``: every packet; ``last``: the newest of each APID at each look.
    speed
        Pace of a playback, one of :data:`SPEEDS`.
    paused
        Hold a playback.
    """

    run: int | None = None
    mode: Mode = "next"
    speed: float | None = 1.0
    paused: bool = False


class StreamSource:
    """Packets of the archive, live or in playback; what is wanted may change at any time.

    Parameters
    ----------
    settings
        Set-up with the archive.
    instrument
        The detector.
    """

    def __init__(self, settings: Settings, instrument: Instrument) -> None:
        self.archive = RunArchive(settings.archive(instrument.name), instrument.name)
        self.playing = Playing()
        self.followed = Followed()
        """In live, the measurement that is shown and the configuration after it."""
        self._newest = NewestMeasurement(self.archive, LOOK_AGAIN)
        self.started = 0
        self.simulated = False
        self.gone: int | None = None
        """Number of a run that was to be played and is no longer there."""
        self._instrument = instrument
        self._provider: Provider | None = None
        self._run: Run | None = None

    def play(self, playing: Playing) -> None:
        """Play something, from its beginning where run or mode are others than before.

        Raises
        ------
        BadArgumentError
            For a run that is not there, or a pace that is not offered.
        """
        if playing.speed not in SPEEDS:
            raise BadArgumentError(f"got pace {playing.speed}, expected one of {SPEEDS}")
        if playing.run is not None:
            self.archive.run(playing.run)
        before, self.playing = self.playing, playing
        if (playing.run, playing.mode) != (before.run, before.mode):
            self.restart()
        elif self._provider is not None and playing.run is not None:
            if playing.speed != before.speed:
                self._provider.speed = playing.speed
            if playing.paused != before.paused:
                (self._provider.pause if playing.paused else self._provider.resume)()

    def lose(self, playing: Playing) -> None:
        """Show nothing: what is wanted was removed since it was listed."""
        self.playing = playing
        self.restart()
        self.gone = playing.run

    def restart(self) -> None:
        """Begin again from the start of the run."""
        self.close()
        self._forget(None)

    def close(self) -> None:
        """Let go of the files."""
        if self._provider is not None:
            self._provider.close()
        self._provider = None

    def hold(self) -> None:
        """Pause a playback."""
        self.play(replace(self.playing, paused=True))

    def step(self, packets: int) -> NewPackets | None:
        """The next packets of a playback, which is paused by that."""
        if self.playing.run is None:
            return None
        self.hold()
        provider = self._opened()
        given = None if provider is None else provider.step(min(max(packets, 1), MOST_STEPPED))
        return self._seen(given) if given else None

    def poll(self) -> NewPackets | None:
        """What is due now; None if nothing is."""
        provider = self._opened()
        if provider is None:
            return None
        given = provider.poll(None if self.playing.mode == "last" else MOST_PACKETS)
        return self._seen(given) if given else None

    @property
    def shown(self) -> Run | None:
        """The run that is shown."""
        return self._run

    @property
    def run(self) -> str:
        """Number of the run."""
        return "" if self._run is None else str(self._run.number)

    @property
    def totals(self) -> PacketTotals:
        """Packets read so far."""
        return PacketTotals({} if self._provider is None else self._provider.counts)

    @property
    def skipped(self) -> int:
        """Packets passed over in the mode ``last``."""
        return 0 if self._provider is None else self._provider.skipped

    @property
    def behind(self) -> int:
        """Bytes of the archive that were not given yet."""
        return 0 if self._provider is None else int(self._provider.behind)

    @property
    def finished(self) -> bool:
        """Whether a playback was given to its end."""
        return self._provider is not None and self._provider.finished

    def age(self) -> float | None:
        """Live: time since bytes were last added to the run, s."""
        return None if self._run is None or self.playing.run is not None else age_of(self._run)

    def state(self) -> State:
        """Whether what is shown is the present; a playback never is."""
        if self._run is None:
            return State.NO_RUN
        try:
            if self.playing.run is not None or not self._run.is_open:
                return State.ENDED
        except BadDataError:  # whether it is open is not known: judge by its age
            pass
        age = age_of(self._run)
        return State.STALE if age is None or age > STALE_AFTER else State.LIVE

    def _opened(self) -> Provider | None:
        playing = self.playing
        number = self._live() if playing.run is None else playing.run
        if self._provider is None and number is not None and self.gone is None:
            speed = None if playing.run is None else playing.speed
            options = ProvideOptions(mode=playing.mode)
            try:
                self._provider = provide(self.archive, self._instrument, number, speed=speed, options=options)
            except NotFoundError:
                self.gone = number
                return None
            if playing.paused and playing.run is not None:
                self._provider.pause()
        return self._provider

    def _live(self) -> int | None:
        """Number of the measurement to show; when it is another than before, what was shown ends."""
        self.followed = self._newest.look()
        run = self.followed.run
        if run is not None and (self._run is None or run.number != self._run.number):
            self.close()
            self._forget(run)
        return None if run is None else run.number

    def _seen(self, given: NewPackets) -> NewPackets:
        number = given.run
        if self._run is None or number != self._run.number:
            try:
                self._forget(self.archive.run(number))
            except NotFoundError:  # it was removed while it was read
                self._forget(Run(self.archive.folder / folder_name(number, "")))
        self.simulated = self.simulated or bool(is_simulated(given.index, self._instrument))
        return given

    def _forget(self, run: Run | None) -> None:
        self._run, self.gone = run, None
        self.started += 1
        self.simulated = False
