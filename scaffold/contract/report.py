"""What a run came to, as JSON for the verb (``--contract-report FILE``).

For example::

    {"target": "inprocess", "seed": 0, "seconds": 6.2,
     "components": {"catalog": {"passed": 40, "failed": 0, "known": 0, "pending": 1, "skipped": 0, "seconds": 1.9,
       "api": "2f6c…", "checks": [
         {"name": "CatalogService.GetProduct-missing_is_not_found", "result": "passed", "seconds": 0.02, "text": "",
          "summary": "", "rpc": "CatalogService.GetProduct", "check": "missing_is_not_found",
          "where": "protos/shop/catalog/v1/catalog.proto:16"}]}}}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from scaffold.contract.suite import Result

RESULTS: tuple[Result, ...] = ("passed", "failed", "known", "pending", "skipped")


@dataclass(frozen=True)
class Line:
    """One check that was carried out, with what is to be said about it where it did not pass.

    ``rpc`` is the RPC's label, empty for a check of the component; ``where`` the line of the proto that declares it.
    """

    name: str
    result: Result
    seconds: float
    text: str = ""
    summary: str = ""
    rpc: str = ""
    check: str = ""
    where: str = ""


@dataclass
class Report:
    """The checks of a run, by component; ``apis`` are the digests of the components' APIs."""

    target: str
    seed: int
    seconds: float = 0.0
    components: dict[str, list[Line]] = field(default_factory=dict)
    apis: dict[str, str] = field(default_factory=dict)

    def add(self, component: str, line: Line) -> None:
        """Add a check of a component."""
        self.components.setdefault(component, []).append(line)

    def lines(self, result: Result) -> list[Line]:
        """All checks that came to that result."""
        return [line for lines in self.components.values() for line in lines if line.result == result]

    @property
    def judged(self) -> int:
        """How many checks said something about the component: not those that were skipped."""
        return sum(len(self.lines(result)) for result in RESULTS if result != "skipped")

    def dumps(self) -> str:
        """The report as JSON."""
        components = {name: _summary(lines, self.apis.get(name, "")) for name, lines in self.components.items()}
        head = {"target": self.target, "seed": self.seed, "seconds": round(self.seconds, 3)}
        return json.dumps({**head, "components": components}, indent=1) + "\n"

    def write(self, path: Path) -> None:
        """Write the report to a file."""
        path.write_text(self.dumps(), encoding="utf-8")


def _summary(lines: list[Line], api: str) -> dict[str, Any]:
    counts: dict[str, int] = {result: sum(line.result == result for line in lines) for result in RESULTS}
    seconds = round(sum(line.seconds for line in lines), 3)
    return {**counts, "seconds": seconds, "api": api, "checks": [asdict(line) for line in lines]}
