"""Events of one photon found by a plain search: what `eicpy.events.multiples` must give."""

from collections import defaultdict

import numpy as np


def photon_of_each(tick, detnum, multiplicity) -> np.ndarray:
    """Number of the photon of each event: those of one tick whose pixels touch and that were not alone."""
    number = np.arange(len(tick))
    at_once = defaultdict(list)
    for n in np.flatnonzero(np.asarray(multiplicity) > 1):
        at_once[int(tick[n])].append(int(n))
    for events in at_once.values():
        for _ in events:
            for a in events:
                for b in events:
                    apart = abs(detnum[a] // 80 - detnum[b] // 80), abs(detnum[a] % 80 - detnum[b] % 80)
                    if max(apart) <= 1:
                        number[a] = number[b] = min(number[a], number[b])
    return number


def joined(tick, detnum, multiplicity, energy) -> tuple[np.ndarray, np.ndarray]:
    """For each photon the event with most of its energy, and the energy of all its events."""
    number = photon_of_each(tick, detnum, multiplicity)
    total = np.bincount(number, weights=energy, minlength=len(number))
    order = np.lexsort((-energy, number))
    first = np.unique(number[order], return_index=True)[1]
    chosen = np.sort(order[first])
    return chosen, total[number[chosen]]
