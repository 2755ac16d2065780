"""The workspace that mutants are made from, and how the suite is run on one of them.

The services are generated, and correct: the sample shop, and three APIs with what the shop has no use for. A mutant is a
copy of one service's package with one fault in it. Everything runs in this process: the engine starts the copy as it
would start the service.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.contract import plan as plans
from scaffold.contract.inprocess import InProcess
from scaffold.contract.suite import Bench
from scaffold.verbs.demo import make_shop
from scaffold.verbs.generate import open_workspace
from scaffold.verbs.new import Request, new
from scaffold.verbs.test import plan_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaffold.contract.suite import Verdict

# A mutant that does not answer is waited for; correct ones answer at once.
_CALL_SECONDS = 4.0

PROTOS = Path(__file__).parent / "protos"

# Handlers of the methods that are no standard ones.
_HANDLERS = {
    "archive/count_words": """
        from archive.gen.api import CountWordsResponse

        def count_words(request, context):
            return CountWordsResponse(words=len(request.title.split()))
    """,
    "gifts/wrap_gifts": """
        from gifts.gen.api import WrapGiftsResponse

        def wrap_gifts(requests, context):
            return WrapGiftsResponse(wrapped=len(list(requests)))
    """,
    "clocks/watch_clock": """
        import time
        from clocks.gen.names import ClockName
        from clocks.gen.runtime import NotFound

        def watch_clock(request, context):
            name = ClockName.parse(request.name)
            shown = None
            while context.is_active():
                clock = context.app.clocks.get(name)
                if clock is None:
                    raise NotFound(name)
                if clock != shown:
                    yield clock
                    shown = clock
                time.sleep(0.01)
    """,
    "clocks/count_ticks": """
        from clocks.gen.api import Tick

        def count_ticks(request, context):
            for number in range(request.ticks % 100):
                yield Tick(number=number, label=request.label)
    """,
    "clocks/sum_ticks": """
        from clocks.gen.api import Sum

        def sum_ticks(requests, context):
            ticks = [tick.number for tick in requests]
            return Sum(total=sum(ticks), ticks=len(ticks))
    """,
    "clocks/echo_ticks": """
        def echo_ticks(requests, context):
            for tick in requests:
                yield tick
    """,
}

COMPONENTS = ("catalog", "cart", "orders", "archive", "gifts", "clocks")


@dataclass(frozen=True)
class Edit:
    """A change of one place in a file of the package, as in a patch: lines to keep, to take out (-) and to put in (+).

    With nothing but lines to put in they are added at the end.
    """

    file: str
    patch: str

    def apply(self, package: Path) -> None:
        """Make the change. Fails where the file is not as the mutant knows it."""
        path = package / self.file
        text = path.read_text(encoding="utf-8")
        lines = [(line[:1], line[1:]) for line in textwrap.dedent(self.patch).strip("\n").split("\n")]
        old, new = ("".join(f"{rest}\n" for mark, rest in lines if mark != other) for other in "+-")
        if not old:
            path.write_text(f"{text}\n\n{new}", encoding="utf-8")
            return
        assert text.count(old) == 1, f"{self.file} has {text.count(old)} times\n{old}"
        path.write_text(text.replace(old, new), encoding="utf-8")


@dataclass(frozen=True)
class Mutant:
    """A faulty service: which one, what is wrong with it, and the check that is about that."""

    name: str
    component: str
    check: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Ground:
    """The generated workspace, and a folder for copies."""

    workspace: Path
    copies: Path

    def plan(self, mutant: Mutant | None = None) -> plans.Plan:
        """The plan of the workspace, with the mutant in the place of its component."""
        workspace, settings = open_workspace(self.workspace)
        plan = plan_for(workspace, settings)
        if mutant is None:
            return plan
        component = plan.components[mutant.component]
        copy = self._copy(mutant, self.workspace / component.src, component.package)
        changed = plans.Component(component.kind, component.package, str(copy), component.uses)
        return plans.Plan({**plan.components, mutant.component: changed})

    def _copy(self, mutant: Mutant, src: Path, package: str) -> Path:
        copy = self.copies / mutant.name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(src, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in mutant.edits:
            edit.apply(copy / package)
        return copy

    def judge(self, mutant: Mutant, check: str, examples: int = plans.DEFAULT_EXAMPLES) -> Verdict:
        """What one check says about a mutant."""
        with self.bench(mutant, examples=examples) as bench:
            case = next(case for case in bench.cases(mutant.component) if case.name == check)
            bench.subject(mutant.component).connect()  # the time to start it is not the check's
            return bench.carry_out(case)

    def catches(self, mutant: Mutant) -> str | None:
        """The first check of the whole suite that a mutant fails; None where it fails none."""
        with self.bench(mutant) as bench:
            cases = bench.cases(mutant.component)
            return next((case.name for case in cases if bench.carry_out(case).result == "failed"), None)

    def verdicts(self, component: str, seed: int) -> dict[str, Verdict]:
        """What the whole suite says about a correct service."""
        with self.bench(None, seed=seed) as bench:
            return {case.name: bench.carry_out(case) for case in bench.cases(component)}

    @contextmanager
    def bench(self, mutant: Mutant | None, *, seed: int = 0, examples: int = plans.DEFAULT_EXAMPLES) -> Iterator[Bench]:
        """A bench over the workspace; the packages are imported anew for it."""
        plan = self.plan(mutant)
        packages = {component.package for component in plan.components.values()}
        _forget(packages)
        bench = Bench(plan, InProcess(plan, self.workspace), self.workspace, seed, examples, timeout=_CALL_SECONDS)
        try:
            yield bench
        finally:
            bench.close()
            _forget(packages)


def _forget(packages: set[str]) -> None:
    """Let the next import find another copy of the same packages."""
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]
    importlib.invalidate_caches()


def make(folder: Path) -> None:
    """Generate the workspace in an empty folder."""
    workspace = folder / "workspace"
    make_shop(workspace)
    for name in ("archive", "gifts", "clocks"):
        shutil.copy(PROTOS / f"{name}.proto", workspace / "protos")
        new(workspace, Request("store", name, (f"protos/{name}.proto",)))
    for path, text in _HANDLERS.items():
        component, handler = path.split("/")
        file = workspace / f"services/{component}/src/{component}/handlers/{handler}.py"
        file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
