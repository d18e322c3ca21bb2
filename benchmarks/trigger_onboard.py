"""What the trigger on board is worth: false alarms per day, efficiency, the bursts of the week.

``python benchmarks/trigger_onboard.py`` runs all three; ``--only false-alarms efficiency week`` some of them.
Everything is simulated, photon by photon. Long runs resume: each day, each batch of bursts and each night
leaves a file in ``--out``. ``--figure docs/_static/trigger-efficiency.svg`` draws the efficiency.
"""

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from eicpy.events import GoodTimeIntervals
from eicpy.figures.theme import COLOURS, FONT
from eicpy.orbit import (
    Pointing,
    earth_angle,
    earth_radius,
    right_ascension,
    separation,
    tangent_vector,
    unit_vector,
)
from eicpy.simulation import (
    DetectorConfig,
    EnvironmentConfig,
    OrbitConfig,
    PhotonStream,
    PointingConfig,
    Scene,
    SimulationConfig,
    build_scene,
    burst_truth,
    draw_burst,
    preset,
)
from eicpy.simulation.onboard import on_board_trigger
from eicpy.trigger import TriggerConfiguration
from eicpy.trigger.on_board.recent import Photons

DAY = 86400.0
PIECE = 4 * 3600.0
"""A day is six runs of four hours: four pointings, and less memory."""
SPACING, FIRST, PER_RUN = 340.0, 200.0, 10
BACKGROUND = {
    "detector": DetectorConfig(gain_shift=0.002, gain_shift_scatter=0.003),
    "catalogue": 100.0,
    "flicker": True,
    "environment": EnvironmentConfig(),
}
HOLD = {"jitter": 3.0, "drift": 10.0, "misalignment": (60.0, -40.0, 30.0)}


def react(scene: Scene, configuration: TriggerConfiguration) -> dict[str, Any]:
    """Everything that a trigger says to the photons of a scene."""
    trigger = on_board_trigger(scene, configuration)
    down = np.reshape(scene.saa, (-1, 2)) + scene.start
    alerts, verdicts, excesses = [], Counter(), Counter()
    seconds = 0.0
    for block in PhotonStream(scene).blocks():
        live = GoodTimeIntervals([scene.start + block.begin], [scene.start + block.end])
        photons = Photons(block.tick * 2e-5, block.detnum, block.channel, block.multiplicity)
        begin = time.perf_counter()
        said = trigger.add(photons, scene.start + block.end, live - GoodTimeIntervals(down[:, 0], down[:, 1]))
        seconds += time.perf_counter() - begin
        verdicts.update(d.verdict for d in said.decisions)
        excesses.update(e.kind for e in said.excesses)
        alerts += [alert_record(scene, d.alert, d.candidate.direction) for d in said.decisions if d.alert]
    return {
        "alerts": alerts,
        "verdicts": dict(verdicts),
        "excesses": dict(excesses),
        "trigger_seconds": seconds,
        "live": scene.config.duration - float(np.sum([b - a for a, b in scene.saa])),
    }


def alert_record(scene: Scene, alert: Any, direction: Any) -> dict[str, Any]:
    e = alert.excess
    there = np.array(direction)
    position = scene.orbit.position(np.array([e.stop]))[0]
    ra, dec = np.degrees(right_ascension(there))
    return {
        "sequence": alert.sequence,
        "number": alert.number,
        "time": alert.time - scene.start,
        "kind": e.kind,
        "scale": e.scale,
        "band": e.band,
        "zone": e.zone,
        "start": e.start - scene.start,
        "stop": e.stop - scene.start,
        "excess": e.significance,
        "significance": alert.significance,
        "ty": alert.ty,
        "tz": alert.tz,
        "ra": float(ra),
        "dec": float(dec),
        "radius": float(np.degrees(alert.radius)),
        "source": alert.source_name,
        "outburst": alert.outburst,
        "slew_request": alert.slew_request,
        "earth": float(np.degrees(earth_angle(position, there) - earth_radius(position))),
        "anomaly": min(
            [abs(t - (e.stop - scene.start)) for passage in scene.saa for t in passage], default=1e9
        ),
    }


def cause(alert: dict[str, Any]) -> str:
    """Why a false alarm came, as far as its circumstances say."""
    if alert["source"]:
        return f"source {alert['source']}"
    if alert["anomaly"] < 200 + (alert["stop"] - alert["start"]):
        return "edge of the anomaly"
    if max(abs(alert["ty"]), abs(alert["tz"])) > 0.75:
        return "edge of the field"
    if alert["earth"] < 3:
        return "Earth or its limb"
    return "none known"


# -- false alarms ------------------------------------------------------------------------------------------


def background_piece(number: int) -> SimulationConfig:
    rng = np.random.default_rng([11, number])
    hours = int(rng.integers(0, 24 * 300))
    start = np.datetime64("2026-02-01T00:00:00") + np.timedelta64(hours, "h")
    return SimulationConfig(
        name=f"background-{number}",
        start=str(start),
        duration=PIECE,
        seed=5000 + number,
        orbit=OrbitConfig(node=float(rng.uniform(0, 360)), argument=float(rng.uniform(0, 360))),
        pointing=PointingConfig(plan="anti-solar", observation=PIECE / 4, **HOLD),
        **BACKGROUND,
    )


def false_alarm_job(number: int) -> dict[str, Any]:
    return react(build_scene(background_piece(number)), TriggerConfiguration())


def false_alarms(arguments: argparse.Namespace) -> None:
    pieces = max(round(arguments.days * DAY / PIECE), 1)
    said = run(false_alarm_job, "background", range(pieces), arguments)
    days = sum(s["live"] for s in said) / DAY
    first = [a for s in said for a in s["alerts"] if a["number"] == 0]
    print(f"\n{len(first)} sequences of alerts without a burst in {days:.2f} days of live time")
    print("| cause | count rate | image | per day | 90 % interval |\n|---|---|---|---|---|")
    rows = Counter((cause(a), a["kind"]) for a in first)
    names = sorted({name for name, _ in rows})
    for name in [*names, "all"]:
        by_kind = [
            sum(n for (c, k), n in rows.items() if k == kind and name in (c, "all"))
            for kind in ("count rate", "image")
        ]
        total = sum(by_kind)
        low, high = poisson(total)
        print(
            f"| {name} | {by_kind[0]} | {by_kind[1]} | {total / days:.2f} "
            f"| {low / days:.2f}–{high / days:.2f} |"
        )
    verdicts: Counter[str] = Counter()
    for s in said:
        verdicts.update(s["verdicts"])
    print("\nPositions looked at:", ", ".join(f"{n} {v}" for v, n in verdicts.most_common()))
    speed = sum(s["live"] for s in said) / sum(s["trigger_seconds"] for s in said)
    print(f"The trigger took 1/{speed:.0f} of the time.")
    for a in first:
        print(
            f"  {a['kind']:10s} scale {a['scale']} band {a['band']} SNR {a['significance']:.2f} "
            f"at ({a['ty']:+.3f}, {a['tz']:+.3f}), limb {a['earth']:+.0f}°: {cause(a)}"
        )


def poisson(count: int, confidence: float = 0.9) -> tuple[float, float]:
    """Interval of the mean of a Poisson number (Garwood 1936)."""
    tail = (1 - confidence) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    return float(low), float(stats.chi2.ppf(1 - tail, 2 * count + 2) / 2)


# -- efficiency --------------------------------------------------------------------------------------------


def burst_batch(number: int) -> SimulationConfig:
    """Ten bursts of the population, far apart, with peaks spread evenly about the threshold."""
    rng = np.random.default_rng([12, number])
    night = SimulationConfig(
        name=f"bursts-{number}",
        start="2026-06-01T00:00:00",
        duration=FIRST + PER_RUN * SPACING,
        seed=9000 + number,
        saa=False,
        earth=False,
        pointing=PointingConfig(ra=float(rng.uniform(0, 360)), dec=float(rng.uniform(-60, 60)), **HOLD),
        **BACKGROUND,
    )
    p = night.pointing
    rotation = Pointing(*(float(np.radians(a)) for a in (p.ra, p.dec, p.roll))).rotation
    bursts = []
    for n in range(PER_RUN):
        kind = "short" if rng.random() < 0.3 else "long"
        ty, tz = rng.uniform(-0.6, 0.6, 2)
        ra, dec = np.degrees(right_ascension(tangent_vector(ty, tz) @ rotation))
        burst = draw_burst(
            kind, rng, name=f"burst {n}", start=FIRST + n * SPACING, ra=float(ra), dec=float(dec)
        )
        scale = 10 ** rng.uniform(-0.7, 1.0) * (4.0 if kind == "short" else 1.0)
        bursts.append(burst.model_copy(update={"peak_flux": float(scale), "softening": 0.0}))
    return night.model_copy(update={"bursts": tuple(bursts)})


def found_bursts(config: SimulationConfig, said: dict[str, Any]) -> list[dict[str, Any]]:
    """For each burst whether an alert overlaps it from its place, and how far off the best one was."""
    records = []
    for burst in config.bursts:
        truth = burst_truth(burst, 0.0)
        place = unit_vector(np.radians(burst.ra), np.radians(burst.dec))
        mine = [
            a | {"off": float(np.degrees(separation(place, unit_vector(*np.radians([a["ra"], a["dec"]])))))}
            for a in said["alerts"]
            if a["start"] < truth["stop"] and a["stop"] > truth["start"]
        ]
        there = [a for a in mine if a["off"] < max(1.5, 3 * a["radius"])]
        best = max(there, key=lambda a: a["significance"], default=None)
        records.append(
            {
                "name": burst.name,
                "kind": burst.kind,
                "fluence": truth["energy_fluence"],
                "peak": burst.peak_flux,
                "t90": truth["t90"],
                "found": best is not None,
                "elsewhere": len(mine) > 0 and best is None,
                "off": best and best["off"],
                "radius": best and best["radius"],
                "significance": best and best["significance"],
                "delay": there[0]["time"] - truth["start"] if there else None,
                "by": there[0]["kind"] if there else None,
                "slew": any(a["slew_request"] for a in there),
            }
        )
    return records


def efficiency_job(number: int) -> dict[str, Any]:
    config = burst_batch(number)
    said = react(build_scene(config), TriggerConfiguration())
    return {"bursts": found_bursts(config, said), "trigger_seconds": said["trigger_seconds"]}


def efficiency(arguments: argparse.Namespace) -> None:
    said = run(efficiency_job, "bursts", range(max(round(arguments.bursts / PER_RUN), 1)), arguments)
    bursts = [b for s in said for b in s["bursts"]]
    fluence = np.array([b["fluence"] for b in bursts])
    t90 = np.array([b["t90"] for b in bursts])
    found = np.array([b["found"] for b in bursts])
    edges = np.concatenate([[0], 10 ** np.arange(-8.0, -4.9, 0.5), [np.inf]])
    spans = ((0, 0.5), (0.5, 2), (2, 10), (10, 30), (30, np.inf))
    print(f"\n{len(bursts)} bursts, up to 31° off each axis, {found.sum()} found; found / simulated")
    print(
        "| fluence 4–120 keV, erg cm⁻² | " + " | ".join(f"T90 {a:g}–{b:g} s" for a, b in spans) + " | all |"
    )
    print("|---|" + "---|" * (len(spans) + 1))
    for low, high in itertools.pairwise(edges):
        inside = (fluence >= low) & (fluence < high)
        cells = [inside & (t90 >= a) & (t90 < b) for a, b in spans] + [inside]
        print(
            f"| {low:.1e}–{high:.1e} | "
            + " | ".join(f"{found[c].sum()} / {c.sum()}" if c.any() else "–" for c in cells)
            + " |"
        )
    radii = np.array([b["off"] < b["radius"] for b in bursts if b["found"]])
    print(f"\nTruth inside the published R90: {radii.sum()} of {len(radii)} ({radii.mean():.1%})")
    delays = [b["delay"] for b in bursts if b["found"]]
    print(f"First alert {np.median(delays):.1f} s after the begin of the burst in the median")
    print("Found first by:", dict(Counter(b["by"] for b in bursts if b["found"])))
    print("Seen elsewhere only:", sum(b["elsewhere"] for b in bursts))
    if arguments.figure:
        draw(arguments.figure, fluence, t90, found)


def draw(file: Path, fluence: np.ndarray, t90: np.ndarray, found: np.ndarray) -> None:
    """Efficiency against fluence for three ranges of T90, with 68 % intervals, as an SVG."""
    width, height, left, bottom, low, high = 640, 400, 60, 50, -8.0, -4.5

    def x(value: float) -> float:
        return round(left + (value - low) / (high - low) * (width - left - 20), 1)

    def y(value: float) -> float:
        return round(height - bottom - value * (height - bottom - 20), 1)

    def text(at: tuple[float, float], words: str, **style: str) -> str:
        extra = "".join(f' {name}="{value}"' for name, value in style.items())
        return f'<text x="{at[0]}" y="{at[1]}"{extra}>{words}</text>'

    middle = {"text-anchor": "middle"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="13"',
        f'font-family="{FONT}"><rect width="{width}" height="{height}" fill="white"/>',
        text(
            ((left + width) / 2, height - 10), "fluence in 4–120 keV, erg cm⁻² (simulated bursts)", **middle
        ),
        text((left, 14), "share of bursts found"),
    ]
    for value in (0, 0.25, 0.5, 0.75, 1):
        line = f'<line x1="{left}" x2="{width - 20}" y1="{y(value)}" y2="{y(value)}" stroke="#ddd"/>'
        parts += [line, text((left - 8, y(value) + 4), f"{value:g}", **{"text-anchor": "end"})]
    for power, name in zip(range(-8, -4), ("10⁻⁸", "10⁻⁷", "10⁻⁶", "10⁻⁵"), strict=True):
        parts.append(text((x(power), height - bottom + 18), name, **middle))
    edges = np.arange(low, high + 0.01, 0.25)
    for n, (a, b) in enumerate(((0, 2), (2, 20), (20, np.inf))):
        colour, points = COLOURS[n], []
        for first, last in itertools.pairwise(edges):
            inside = (np.log10(fluence) >= first) & (np.log10(fluence) < last) & (t90 >= a) & (t90 < b)
            if (total := int(inside.sum())) < 5:
                continue
            k, at = int(found[inside].sum()), x((first + last) / 2)
            down, up = stats.beta.ppf([0.16, 0.84], [k + 0.5] * 2, [total - k + 0.5] * 2)
            points.append(f"{at},{y(k / total)}")
            parts += [
                f'<line x1="{at}" x2="{at}" y1="{y(down)}" y2="{y(up)}" stroke="{colour}"/>',
                f'<circle cx="{at}" cy="{y(k / total)}" r="3" fill="{colour}"/>',
            ]
        label = f"T90 {a:g}–{b:g} s" if np.isfinite(b) else f"T90 above {a:g} s"
        parts += [
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>',
            text((left + 16, 36 + 18 * n), label, fill=colour),
        ]
    file.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


# -- the week ----------------------------------------------------------------------------------------------


def week_job(number: int) -> dict[str, Any]:
    config = preset(f"week-{number}") if number else preset("demo")
    said = react(build_scene(config), config.trigger or TriggerConfiguration())
    return {"name": config.name, "bursts": found_bursts(config, said), **said}


def week(arguments: argparse.Namespace) -> None:
    nights = run(week_job, "week", range(8), arguments)
    print("\n| night | burst | T90, s | fluence | found | SNR | after, s | off | R90 | inside |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for night in nights:
        for b in night["bursts"]:
            tail = "| – | – | – | – | – |"
            if b["found"]:
                tail = (
                    f"| {b['significance']:.1f} | {b['delay']:.1f} | {60 * b['off']:.1f}′ "
                    f"| {60 * b['radius']:.1f}′ "
                    f"| {'yes' if b['off'] < b['radius'] else 'no'} |"
                )
            found = f"yes, {b['by']}" if b["found"] else ("elsewhere" if b["elsewhere"] else "no")
            print(f"| {night['name']} | {b['name']} | {b['t90']:.1f} | {b['fluence']:.1e} | {found} {tail}")
    print("\nWhat else was told in these nights:")
    for night in nights:
        for a in night["alerts"]:
            if a["number"] == 0:
                print(
                    f"  {night['name']} {a['time']:8.1f} s {a['kind']} scale {a['scale']} band {a['band']} "
                    f"SNR {a['significance']:.1f} at ({a['ty']:+.3f}, {a['tz']:+.3f}): {cause(a)}"
                )


# -- running -----------------------------------------------------------------------------------------------


def run(
    job: Callable[[int], dict[str, Any]], name: str, numbers: range, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Results of jobs; those that are in the folder already are not run again."""
    folder = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    files = {n: folder / f"{name}-{n:04d}.json" for n in numbers}
    missing = [n for n, file in files.items() if not file.exists()]
    begin = time.perf_counter()

    def keep(n: int, result: dict[str, Any]) -> None:
        part = files[n].with_suffix(".part")
        part.write_text(json.dumps(result))
        part.replace(files[n])
        print(f"{name} {n}: {time.perf_counter() - begin:.0f} s", flush=True)

    if arguments.workers == 1:
        for n in missing:
            keep(n, job(n))
    else:
        with ProcessPoolExecutor(arguments.workers) as pool:
            for n, result in zip(missing, pool.map(job, missing), strict=True):
                keep(n, result)
    return [json.loads(file.read_text()) for file in files.values()]


PARTS = {"false-alarms": false_alarms, "efficiency": efficiency, "week": week}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--days", type=float, default=10.0, help="of background")
    parser.add_argument("--bursts", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("trigger-onboard"), help="where results are kept")
    parser.add_argument("--figure", type=Path, help="SVG of the efficiency")
    arguments = parser.parse_args()
    for part in arguments.only:
        PARTS[part](arguments)


if __name__ == "__main__":
    main()
