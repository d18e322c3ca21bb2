"""Change the code in many places, one at a time, and see which changes no test notices.

A change is a small mistake that somebody could make: a comparison turned or made strict, a number one too
high, plus for minus, a condition that never holds, two arguments swapped, a statement left out. The project
is copied to a temporary folder; there each change is made, the tests of its room run, and it is taken back.
A change that survives is either one that alters nothing (equivalent: to be judged by a reader) or a hole in
the tests.

    python benchmarks/mutants.py [--mutants 50] [--seed 1] [--room packets] [--out mutants.json]
"""

import argparse
import ast
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("eicpy", "tests", "benchmarks", "notebooks", "dashboards", "docs", "pyproject.toml")
ROOMS = {
    "packets": "packets",
    "decoding": "decoding tally measurement archiver",
    "runs": "archive provider merge follow pace runs",
    "products": "products photon_files.py",
    "calibration": "calibration",
    "events": "events",
}
"""Rooms, and what the tests that hold them are called: folders, or files without ``test_``."""
SLOW = "astropy.io.fits astropy.time numba pyarrow pydantic scipy.optimize scipy.stats sqlalchemy"
"""What the tests of several rooms import: it is imported once."""
_TURNED = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.And: "or", ast.Or: "and",
    ast.BitAnd: "|", ast.BitOr: "&", ast.LShift: ">>", ast.RShift: "<<",
}  # fmt: skip


@dataclass
class Mutant:
    """A change: bytes `start` to `stop` of a file become `new`."""

    room: str
    file: str
    line: int
    kind: str
    start: int
    stop: int
    old: str
    new: str
    outcome: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.outcome:9} {self.file}:{self.line} {self.kind}: {self.old!r} -> {self.new!r}"


class Source:
    """A module, and the places in it that can be changed."""

    def __init__(self, room: str, path: Path) -> None:
        self.room, self.path = room, path
        self.text = path.read_bytes()
        self._lines = [0]
        for line in self.text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self.tree = ast.parse(self.text)

    def mutants(self) -> Iterator[Mutant]:
        skipped = {id(part) for node in ast.walk(self.tree) for part in _declarations(node)}
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            if id(node) in skipped:
                continue
            yield from self._of(node)
            waiting += ast.iter_child_nodes(node)

    def _of(self, node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _TURNED:
            yield self._operator("comparison", node.left, node.ops[0], node.comparators[0])
        elif isinstance(node, ast.BinOp) and type(node.op) in _TURNED:
            yield self._operator("operator", node.left, node.op, node.right)
        elif isinstance(node, ast.BoolOp):
            yield self._operator("junction", node.values[0], node.op, node.values[1])
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            yield self._replaced("number", node, str(node.value + 1))
        elif isinstance(node, ast.If | ast.While):
            yield self._replaced("condition", node.test, "False")
        elif isinstance(node, ast.Call) and len(node.args) > 1 and not _is_symmetric(node):
            first, second = node.args[:2]
            new = b"".join(
                (self._part(second), self.text[self._end(first) : self._at(second)], self._part(first))
            )
            yield self._mutant("arguments", node, self._at(first), self._end(second), new.decode())
        elif isinstance(node, ast.AugAssign) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        ):
            yield self._replaced("statement", node, "pass")

    def _operator(self, kind: str, left: ast.expr, operator: ast.AST, right: ast.expr) -> Mutant:
        start, stop = self._end(left), self._at(right)
        between = self.text[start:stop].decode()
        sign = between.strip(" ()\n\\")
        new = between.replace(sign, _TURNED[type(operator)], 1)
        return self._mutant(kind, left, start, stop, new)

    def _replaced(self, kind: str, node: ast.AST, new: str) -> Mutant:
        return self._mutant(kind, node, self._at(node), self._end(node), new)

    def _mutant(self, kind: str, node: ast.AST, start: int, stop: int, new: str) -> Mutant:
        file = self.path.relative_to(ROOT).as_posix()
        old = self.text[start:stop].decode()
        return Mutant(self.room, file, node.lineno, kind, start, stop, old, new)  # type: ignore[attr-defined]

    def _part(self, node: ast.AST) -> bytes:
        return self.text[self._at(node) : self._end(node)]

    def _at(self, node: ast.AST) -> int:
        return self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def _end(self, node: ast.AST) -> int:
        return self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]


def _is_symmetric(call: ast.Call) -> bool:
    """Whether it does not matter which of the first two arguments comes first, or nobody knows."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return name in {"max", "min"} or any(isinstance(argument, ast.Starred) for argument in call.args[:2])


def _declarations(node: ast.AST) -> Iterator[ast.AST]:
    """Parts that say what something is and do nothing: types, decorators, texts for people, raised errors."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from node.decorator_list
        yield from filter(None, (node.returns,))
        if node.name in {"__repr__", "_repr_html_"}:
            yield node
    elif isinstance(node, ast.arg | ast.AnnAssign):
        yield from filter(None, (node.annotation,))
    elif isinstance(node, ast.ClassDef):
        yield from (*node.decorator_list, *node.bases)
    elif isinstance(node, ast.Assign):
        yield from [node] if ast.unparse(node.targets[0]) == "__all__" else []
    elif isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        yield node


class Bench:
    """A copy of the project in which the changes are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", "_build", "*.ipynb_checkpoints")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            else:
                shutil.copy2(ROOT / name, folder / name)
        shared = ROOT.parent / "shared"
        self.environment = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        if shared.is_dir():
            (folder.parent / "shared").symlink_to(shared)

    def tests(self, room: str, module: str) -> list[str]:
        """Files of tests of a room, that of a module first."""
        found: list[Path] = []
        for name in ROOMS[room].split():
            files = self.folder.glob(f"tests/**/test_{name.removesuffix('.py')}.py")
            found += sorted([*(self.folder / "tests" / name).rglob("test_*.py"), *files])
        found.sort(key=lambda path: path.name != f"test_{module}.py")
        return [str(path.relative_to(self.folder)) for path in dict.fromkeys(found)]

    def passes(self, room: str, module: str = "", limit: int = 36_000) -> tuple[bool | None, float]:
        """Whether the tests of a room pass (None: not within `limit` s of processor time), and that time.

        They run in a process forked from this one, which has imported what takes long and nothing of ours.
        """
        child = os.fork()
        if child == 0:
            try:
                os._exit(self._run(room, module, limit))
            except BaseException:  # noqa: BLE001, the process ends with it
                traceback.print_exc()
                os._exit(99)
        _, status, used = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        return None if code == -signal.SIGXCPU else code == 0, used.ru_utime + used.ru_stime

    def _run(self, room: str, module: str, limit: int) -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 60))
        os.chdir(self.folder)
        os.environ |= self.environment
        sys.path.insert(0, str(self.folder))
        said = os.open(self.folder / "said.txt", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        for descriptor in range(3):
            os.dup2(said, descriptor)
        options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist"]
        return int(pytest.main([*self.tests(room, module), *options]))

    def judge(self, mutant: Mutant, usual: float) -> None:
        file = self.folder / mutant.file
        text, stat = file.read_bytes(), file.stat()
        file.write_bytes(text[: mutant.start] + mutant.new.encode() + text[mutant.stop :])
        try:
            passed, mutant.seconds = self.passes(mutant.room, file.stem, 120 + int(10 * usual))
        finally:
            file.write_bytes(text)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the kernels compiled from it stay valid
        mutant.outcome = {None: "endless", False: "killed", True: "SURVIVED"}[passed]


def choose(rooms: list[str], number: int, seed: int) -> list[Mutant]:
    """So many changes, as many in each room and of each kind as there can be."""
    rng = random.Random(seed)  # noqa: S311, places of mistakes
    chosen: list[Mutant] = []
    for position, room in enumerate(rooms):
        files = sorted(p for p in (ROOT / "eicpy").rglob("*.py") if room in p.relative_to(ROOT).parent.parts)
        kinds: dict[str, list[Mutant]] = {}
        for mutant in (m for file in files for m in Source(room, file).mutants() if m.old != m.new):
            kinds.setdefault(mutant.kind, []).append(mutant)
        wanted = number // len(rooms) + (position < number % len(rooms))
        names = sorted(kinds)
        rng.shuffle(names)
        for turn in range(wanted):
            of_kind = kinds[names[turn % len(names)]]
            chosen.append(of_kind.pop(rng.randrange(len(of_kind))))
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--room", action="append", choices=sorted(ROOMS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    mutants = choose(options.room or list(ROOMS), options.mutants, options.seed)
    with tempfile.TemporaryDirectory(prefix="eicpy-mutants-") as folder:
        bench = Bench(Path(folder) / "project")
        for library in SLOW.split():
            importlib.import_module(library)
        usual: dict[str, float] = {}
        for number, mutant in enumerate(mutants, start=1):
            if mutant.room not in usual:
                passed, _ = bench.passes(mutant.room)  # compiles the kernels
                if not passed:
                    said = (bench.folder / "said.txt").read_text(errors="replace")
                    sys.exit(f"the tests of {mutant.room} do not pass as they are: {said[-3000:]}")
                usual[mutant.room] = bench.passes(mutant.room)[1]
            bench.judge(mutant, usual[mutant.room])
            print(f"{number:3} {mutant} ({mutant.seconds:.0f} s)", flush=True)
            if options.out:
                options.out.write_text(json.dumps([asdict(m) for m in mutants[:number]], indent=1))
    survived = sum(mutant.outcome == "SURVIVED" for mutant in mutants)
    print(f"{len(mutants)} mutants, {survived} survived")


if __name__ == "__main__":
    main()
