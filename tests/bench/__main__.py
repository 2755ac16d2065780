"""`make bench`: the figures, each as a ratio against a peer that ran in turn with it, in this run, on this machine.

``python -m tests.bench SECTION ...`` prints some of them: generator, many, peers, databases, rpcs, drain, suite, oscar.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.databases import databases
from tests.bench.drain import drain
from tests.bench.many import many, peers
from tests.bench.oscar import oscar
from tests.bench.rpcs import rpcs
from tests.bench.suite import suite
from tests.bench.timing import ROOT, RUNS, SCAFFOLD, compare, run

PROTOS = [f"shop/{name}/v1/{name}.proto" for name in ("catalog", "cart", "orders", "checkout")]


def main(names: list[str]) -> None:
    """Measure the named sections, or all, and print them."""
    for name in names or SECTIONS:
        with tempfile.TemporaryDirectory(prefix="scaffold-bench-") as temporary:
            SECTIONS[name](Path(temporary))


def generator(folder: Path) -> None:
    """What generating costs."""
    workspace = make_workspace(folder)
    print(f"{RUNS} runs each, in turn; medians of whole processes; Python {sys.version.split()[0]}\n")
    unchanged(workspace)
    full(workspace, folder)


def make_workspace(folder: Path) -> Path:
    """The sample shop, generated."""
    workspace = folder / "shop"
    run([*SCAFFOLD, "init", str(workspace)], folder)
    for proto in PROTOS:
        target = workspace / "protos" / proto
        target.parent.mkdir(parents=True)
        target.write_bytes((ROOT / "protos" / proto).read_bytes())
    for proto in PROTOS[:3]:
        run([*SCAFFOLD, "new", "store", proto.split("/")[1], "--proto", proto], workspace)
    uses = [word for name in ("cart", "catalog", "orders") for word in ("--uses", name)]
    run([*SCAFFOLD, "new", "process", "checkout", "--proto", PROTOS[3], *uses], workspace)
    run([*SCAFFOLD, "regen"], workspace)
    return workspace


def unchanged(workspace: Path) -> None:
    """An unchanged `regen` against the start of bare Python, which is the floor of anything written in it."""
    compare(
        "unchanged regen / bare Python start",
        lambda: run([*SCAFFOLD, "regen"], workspace),
        lambda: run([sys.executable, "-c", ""], workspace),
        aim=4,
    )


def full(workspace: Path, folder: Path) -> None:
    """A regeneration of everything against a process that only starts, imports and compiles the same protos."""
    peer = [
        sys.executable,
        "-m",
        "tests.bench.peers.descriptor_set",
        str(workspace / "protos"),
        str(folder / "peer.binpb"),
    ]
    compare(
        "full regen of the sample / start + import + descriptor set",
        lambda: run([*SCAFFOLD, "regen"], workspace),
        lambda: run([*peer, *PROTOS], ROOT),
        aim=6,
        before=lambda: remove_generated(workspace),
    )


def remove_generated(workspace: Path) -> None:
    """Delete what is ours: generated files and stubs."""
    for line in (workspace / ".scaffold" / "files").read_text().splitlines():
        path, owner = (*line.split("\t"), "")[:2]
        if owner in ("generated", "stub"):
            (workspace / path).unlink(missing_ok=True)


SECTIONS: dict[str, Callable[[Path], None]] = {
    "generator": generator,
    "many": many,
    "peers": peers,
    "databases": databases,
    "rpcs": rpcs,
    "drain": drain,
    "suite": suite,
    "oscar": oscar,
}

if __name__ == "__main__":
    main(sys.argv[1:])
