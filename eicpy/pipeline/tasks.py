"""Tasks side by side: in this process, in a few local ones, or on a Dask scheduler's address.

The same function and arguments give the same results everywhere. A task that fails is reported in its own
outcome and never takes the others with it; a worker that dies is replaced and its task tried again. A
scheduler that is lost, or has no worker for ten minutes, fails the tasks that are left: nothing is waited for
without end.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from eicpy.errors import EicpyError, FailedError

__all__ = ["Progress", "TaskOutcome", "default_workers", "run_tasks"]

_log = logging.getLogger(__name__)
R = TypeVar("R")
CONNECT_SECONDS = 20
"""How long to wait for a scheduler to answer, s."""
WORKER_SECONDS = 600.0
"""How long to wait for a worker where the scheduler has none, s."""
LOOK_SECONDS = 0.05
"""Between two looks at the tasks, s; each takes seconds."""
ASK_SECONDS = 2.0
"""Between two questions to the scheduler, s."""
FETCH_SECONDS = 10
"""A result that does not come within this, s, went with its worker, and is computed again."""
RUNNING = frozenset({"pending", "lost"})
"""A task is lost while its result, which went with a worker, is computed again."""
RETRIES = 1
"""A task whose worker died (out of memory, killed) is given one more worker, and no third."""


class Progress(Protocol):
    """What is called as long work goes on."""

    def __call__(self, done: float, total: float, what: str = "") -> None:
        """Report that `done` of `total` is done."""


@dataclass(frozen=True, slots=True)
class TaskOutcome(Generic[R]):
    """What became of a task: its result, or why there is none.

    Parameters
    ----------
    result
        None for a failed task.
    failure
        Empty for a good one.
    """

    result: R | None
    failure: str = ""


def default_workers() -> int:
    """Processes that this machine has cores for."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    function: Callable[..., R],
    arguments: Sequence[tuple[Any, ...]],
    *,
    scheduler: str | None = None,
    workers: int = 0,
    done: Callable[[int, TaskOutcome[R]], None] | None = None,
) -> list[TaskOutcome[R]]:
    """Call a function once for each set of arguments.

    Parameters
    ----------
    function
        Importable by name, as it may run in another process.
    arguments
        One tuple a call.
    scheduler
        Address of a Dask scheduler, for example ``tcp://host:8786``; its workers must see the same
        folders.
    workers
        Without a scheduler: number of local processes; 0 works in this one.
    done
        Called with the number of a task and its outcome as each one ends.

    Returns
    -------
    list of TaskOutcome
        In the order of `arguments`.

    Raises
    ------
    FailedError
        Where the scheduler cannot be reached.
    """
    outcomes: list[TaskOutcome[R]] = [TaskOutcome(None, "not run")] * len(arguments)
    for number, outcome in _outcomes(function, arguments, scheduler, workers):
        outcomes[number] = outcome
        if done is not None:
            done(number, outcome)
    return outcomes


def _outcomes(
    function: Callable[..., R], arguments: Sequence[tuple[Any, ...]], scheduler: str | None, workers: int
) -> Iterator[tuple[int, TaskOutcome[R]]]:
    if scheduler is None and (workers < 1 or len(arguments) < 2):
        for number, values in enumerate(arguments):
            yield number, _guarded(function, values)
        return
    with _client(scheduler, min(workers, len(arguments))) as client:
        futures = [
            client.submit(_guarded, function, values, pure=False, retries=RETRIES) for values in arguments
        ]
        yield from _collected(client, dict(enumerate(futures)))


def _collected(client: Any, pending: dict[int, Any]) -> Iterator[tuple[int, TaskOutcome[Any]]]:
    """Give the outcome of each task as it ends."""
    last_seen = asked = time.monotonic()
    said = False
    while pending:
        for number in [n for n, future in pending.items() if future.status not in RUNNING]:
            outcome = _outcome(pending[number])
            if outcome is not None:
                del pending[number]
                yield number, outcome
        now = time.monotonic()
        if now - asked < ASK_SECONDS:
            pass
        elif _has_worker(client):
            last_seen, said = now, False
        elif not said and now - last_seen > 0.05 * WORKER_SECONDS:  # before the end, however long a look took
            said = True
            _log.warning("the Dask scheduler has no worker; waiting for %.0f s at most", WORKER_SECONDS)
        elif now - last_seen > WORKER_SECONDS:
            lost: TaskOutcome[Any] = TaskOutcome(
                None, f"the Dask scheduler had no worker for {WORKER_SECONDS:.0f} s"
            )
            yield from ((number, lost) for number in pending)
            return
        asked = now if now - asked >= ASK_SECONDS else asked
        time.sleep(LOOK_SECONDS)


def _has_worker(client: Any) -> bool:
    """Whether the scheduler answers, and has a worker."""
    try:
        known = client.sync(client.scheduler.identity, n_workers=1, callback_timeout=FETCH_SECONDS)
    except (OSError, TimeoutError):
        return False
    return bool(known["workers"])


def _outcome(future: Any) -> TaskOutcome[Any] | None:
    """What became of a task that has ended; None where its result was lost and is computed again."""
    if future.status == "error":
        return TaskOutcome(None, f"its worker was lost: {future.exception()}")
    if future.status != "finished":
        return TaskOutcome(None, f"the Dask scheduler was lost, or gave it up ({future.status})")
    try:
        outcome: TaskOutcome[Any] = future.result(timeout=FETCH_SECONDS)
    except TimeoutError:
        return None
    return outcome


def _guarded(function: Callable[..., R], values: tuple[Any, ...]) -> TaskOutcome[R]:
    try:
        return TaskOutcome(function(*values))
    # Anything a task raises is that task's failure; it is reported, recorded and makes the night incomplete.
    except Exception as error:  # noqa: BLE001, see above
        if not isinstance(error, EicpyError):  # its words do not say where
            _log.exception("a task failed")
        return TaskOutcome(None, f"{type(error).__name__}: {error}")


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Any]:
    import dask  # noqa: PLC0415, as above
    from distributed import Client, LocalCluster  # noqa: PLC0415, as above

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise FailedError(f"got no answer from the Dask scheduler {scheduler}: {error}") from error
        with client:
            yield client
        return
    logging.getLogger("distributed").setLevel(logging.ERROR)  # every start and stop is logged otherwise
    # One death is enough to give a task up after its retry; memory is bounded by the size of a task.
    limits = {
        "distributed.scheduler.allowed-failures": RETRIES,
        "distributed.worker.memory.terminate": False,
    }
    with dask.config.set(limits):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # None would take a fixed port, on which two nights meet
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            silence_logs=50,
        )
        try:
            with Client(cluster, set_as_default=False) as client:
                yield client
        finally:
            # Where a worker has just died, the process that replaces it may not be there yet to be joined;
            # Dask then fails to close, after all results are in. What is left of it ends with this process.
            with suppress(AssertionError):
                cluster.close()
