"""django-oscar 4.2.1: what introspection finds and costs, and what smell finds again of copies of its tables."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.acl import monolith, seams, smell
from scaffold.verbs.generate import compile_api
from tests.monoliths.copies import FILE, api_of, copy
from tests.monoliths.environments import ENVIRONMENTS, HERE

if TYPE_CHECKING:
    from scaffold.acl.smell import Likeness
    from scaffold.acl.snapshot import Model, Snapshot
    from scaffold.core.api import Api, Message

OSCAR_SHOP = HERE / "oscar_shop"
RUNS = 5
# Each table is mutilated so often, each time another way.
TRIES = 5
PROTOS = HERE.parents[1] / "protos"


@dataclass(frozen=True)
class Samples:
    """The sample shop's protos and those of the stock: one of them is a copy, the others were designed."""

    roots: tuple[tuple[str, Path], ...] = (("protos", PROTOS), ("protos", HERE / "protos"))
    files: tuple[str, ...] = field(
        default=(
            *(f"shop/{name}/v1/{name}.proto" for name in ("cart", "catalog", "checkout", "orders")),
            "copied.proto",
            "stock.proto",
        )
    )

    def api(self) -> Api:
        """All of them, compiled."""
        return compile_api(self.roots, self.files)[0]

    def messages(self) -> tuple[Message, ...]:
        """The designed ones."""
        return tuple(m for m in self.api().messages if m.file in self.files and m.file != "copied.proto")

    def likenesses(self, snapshot: Snapshot) -> tuple[Likeness, ...]:
        """What they look like."""
        return smell.likenesses(self.api(), self.files, snapshot)


DESIGNED = Samples()


def tables(snapshot: Snapshot) -> tuple[Model, ...]:
    """Those that have columns enough for a copy without a fifth of them to be told."""
    return tuple(m for m in snapshot.own if not m.proxy_of and len(m.columns) > smell.LEAST)


def found_again(snapshot: Snapshot, without: float) -> float:
    """Which part of the copies is warned about, where each leaves a part of its columns out."""
    scores = []
    for model in tables(snapshot):
        for seed in range(TRIES if without else 1):
            columns = list(model.columns)
            for _ in range(round(len(columns) * without)):
                columns.pop(random.Random(f"{model.name} {seed} {len(columns)}").randrange(len(columns)))
            found = smell.likenesses(api_of(copy(model, columns)), [FILE], snapshot)
            scores.append(found[0].score if found else 0)
    return sum(score >= smell.WARN for score in scores) / len(scores)


def oscar(_folder: Path) -> None:
    """Introspect it, and smell copies of it."""
    environment = ENVIRONMENTS["oscar"]
    if not environment.ready:
        print("oscar: `python -m tests.monoliths.environments oscar` makes its environment first (260 MB)\n")
        return
    what = monolith.Monolith(OSCAR_SHOP, "django", "oscar_settings", str(environment.python), packages=("oscar",))
    pairs = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        found = monolith.introspect(what)
        pairs.append((time.perf_counter() - begun, _bare(environment.python)))
    ours, bare = (sorted(column)[RUNS // 2] for column in zip(*pairs, strict=True))
    print(
        f"introspection / django.setup() alone: {ours:.2f} s / {bare:.2f} s = {ours / bare:.1f}; {len(found.text):,} bytes"
    )
    print(seams.counts(found.snapshot))
    count = len(tables(found.snapshot))
    for without in (0.0, 0.2, 0.33, 0.5):
        print(
            f"copies of {count} tables without {without:.0%} of their columns: {found_again(found.snapshot, without):.0%} found"
        )
    designed = [x for x in DESIGNED.likenesses(found.snapshot) if x.message.file != "copied.proto"]
    raised = sum(x.score >= smell.WARN for x in designed)
    highest = max((x.score for x in designed), default=0)
    print(f"{len(DESIGNED.messages())} designed messages: {raised} raised, the highest {highest}\n")


def _bare(python: Path) -> float:
    """Seconds that Django takes to start by itself, which is the floor."""
    code = "import django; django.setup()"
    begun = time.perf_counter()
    environment = {"DJANGO_SETTINGS_MODULE": "oscar_settings", "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([python, "-c", code], cwd=OSCAR_SHOP, env=environment, check=True)
    return time.perf_counter() - begun
