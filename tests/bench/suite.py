"""What the contract suite is worth: the share of faulty services that it catches, and its false alarms on correct ones.

A mutant counts as caught when the whole suite of its service, run as it is, fails at some check; whether that is the check
about its fault is for tests/mutants. An alarm is a check that fails on a correct service: one
of the sample, its process among them, or of those that mutants are made of.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from tests.mutants.catalogue import MUTANTS, SAMPLE
from tests.mutants.ground import COMPONENTS, Ground, make

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = 100
# All that mutants are made of, and the process that needs the stores of the sample.
CORRECT = (*COMPONENTS, "checkout")
# Its checks wait for streams, longer than any other's: it has a tenth of the seeds.
SLOW = "clocks"
WORKERS = 2


def suite(folder: Path) -> None:
    """Run everything and print what came of it."""
    ground = folder / "mutants"
    ground.mkdir()
    make(ground)
    # Started anew: gRPC does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        begun = time.monotonic()
        caught = list(pool.map(partial(catch, ground), range(len(MUTANTS))))
        missed = [mutant.name for mutant, check in zip(MUTANTS, caught, strict=True) if check is None]
        sample = sum(check is not None for mutant, check in zip(MUTANTS, caught, strict=True) if mutant in SAMPLE)
        print(f"faulty services caught by the generated suite, in {time.monotonic() - begun:.0f} s")
        print(f"  {len(MUTANTS) - len(missed)} of {len(MUTANTS)}; of the sample's own {sample} of {len(SAMPLE)}")
        print(f"  missed: {', '.join(missed) or 'none'}\n", flush=True)
        begun = time.monotonic()
        results: Counter[str] = Counter()
        alarms: list[str] = []
        for found, failed in pool.map(partial(accuse, ground), range(SEEDS)):
            results.update(found)
            alarms += failed
        print(
            f"{len(CORRECT)} correct services, {SEEDS} seeds ({SLOW}: a tenth of them), in {time.monotonic() - begun:.0f} s"
        )
        print(f"  {results['passed']} checks passed, {results['skipped']} undecided, {len(alarms)} false alarms")
        print("".join(f"  {alarm}\n" for alarm in alarms))


def catch(ground: Path, number: int) -> str | None:
    """The first check that a mutant fails."""
    return Ground(ground / "workspace", ground / f"copies-{number}").catches(MUTANTS[number])


def accuse(ground: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """How often each result came, and the alarms, with one seed."""
    results: Counter[str] = Counter()
    alarms = []
    for component in CORRECT:
        if component == SLOW and seed % 10:
            continue
        for name, verdict in Ground(ground / "workspace", ground / "copies").verdicts(component, seed).items():
            results[verdict.result] += 1
            if verdict.result == "failed":
                alarms.append(f"{component}, seed {seed}: {name}: {verdict.summary}")
    return results, alarms
