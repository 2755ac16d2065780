"""One workspace through all the revisions of a history; what came of each."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.core import attic
from scaffold.core.analyse import analyse
from scaffold.core.diagnostics import ScaffoldError
from scaffold.shell import protoc
from scaffold.shell.workspace import CACHE, Workspace
from scaffold.verbs.generate import open_workspace, wanted
from scaffold.verbs.regen import Typed, plan, regen
from tests.bench.replay import buf, judge
from tests.bench.replay.person import Person
from tests.bench.replay.revisions import Revision, one_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaffold.core.differences import Difference
    from scaffold.core.evolve import Item
    from scaffold.core.plan import Plan
    from scaffold.core.render import Artifact
    from scaffold.verbs.regen import Outcome


@dataclass(frozen=True)
class Config:
    """What the person decides, and how thoroughly to look.

    Renames that are proposed are accepted, or all declined; handlers whose RPC is gone are kept, or sent to the attic.
    Each ``imports``-th tree is imported, each ``suites``-th one's suite is run; 0 is never.
    """

    accept: bool = True
    prune: bool = False
    buf: bool = True  # compared where it is installed
    imports: int = 1
    suites: int = 10
    suite_arguments: tuple[str, ...] = ()


@dataclass
class Step:
    """What came of one revision."""

    revision: Revision
    refused: str = ""
    untouched: bool = True  # where it was refused: the tree is as it was
    written: int = 0
    orphans: int = 0
    renamed: tuple[str, ...] = ()  # the proposals, decided
    seconds: float = 0.0
    lost: dict[str, int] = field(default_factory=dict)
    again: tuple[str, ...] = ()  # what a second regeneration would write
    outdated: tuple[str, ...] = ()  # files of the person's that the API has outdated; they bring them up to date
    at_once: str | None = None  # what kept the tree from importing before they did
    imports: str | None = None  # the same, afterwards; None: not looked at; empty: nothing
    suite: tuple[bool, str] | None = None
    differences: tuple[Difference, ...] = ()  # what the plan said of the API
    agreement: buf.Agreement | None = None  # with buf, of what can break somebody

    @property
    def fine(self) -> bool:
        """Nothing of a person's was lost, and what was looked at works."""
        return not (self.lost or self.again or self.imports or not self.untouched or (self.suite and not self.suite[0]))


def replay(revisions: Sequence[Revision], root: Path, config: Config) -> Iterator[Step]:
    """Regenerate through the revisions, in a workspace at ``root``, and tell what came of each."""
    person = Person(root)
    settled = any((revision.folder / "scaffold.toml").is_file() for revision in revisions)
    accepted, before = 0, b""
    for number, revision in enumerate(revisions, 1):
        revision.put(root)
        if not settled:
            (root / "scaffold.toml").write_text(one_store(revision), encoding="utf-8")
        step = _regenerate(revision, root, person, config)
        if not step.refused:
            image = _image(root)
            if before and config.buf and buf.installed():
                step.agreement = _agreement(step, before, image)
            before = image
            last = number == len(revisions)
            looked_at = bool(config.imports) and (last or accepted % config.imports == 0)
            _follow(step, root, person, looked_at)
            if looked_at:
                step.imports = str(judge.load(root))
            if config.suites and (last or accepted % config.suites == 0):
                step.suite = judge.suite(root, config.suite_arguments)
            accepted += 1
        yield step


def _regenerate(revision: Revision, root: Path, person: Person, config: Config) -> Step:
    step = Step(revision)
    before = digest(root)
    begun = time.perf_counter()
    try:
        outcome = regen(root, Typed(prune=config.prune))
        if outcome.plan.blocked:
            step.untouched = digest(root) == before
            outcome = regen(root, _decided(step, outcome, config))
    except ScaffoldError as error:
        step.refused = "; ".join(str(d).partition("\n")[0] for d in error.diagnostics)
    step.seconds = time.perf_counter() - begun
    if not step.refused and outcome.plan.blocked:
        step.refused = "; ".join(str(d).partition("\n")[0] for d in outcome.plan.open)
    if step.refused:
        step.untouched = digest(root) == before
        step.lost = person.lost()
        return step
    sections = outcome.plan.evolution.sections if outcome.plan.evolution else ()
    step.differences = tuple(dict.fromkeys(item.difference for section in sections for item in section.items))
    _take_note(outcome.plan, root, person)
    step.lost = person.lost()
    step.written, step.orphans = len(outcome.plan.writes), len(outcome.plan.orphans)
    step.again = tuple(change.path for change in plan(root).plan.writes)
    return step


def _image(root: Path) -> bytes:
    """The API of all components as a FileDescriptorSet."""
    workspace, settings = open_workspace(root)
    files = sorted({proto for unit in settings.components() for proto in unit.protos})
    return protoc.compile_protos(workspace.roots(settings.protos.roots), files)


def _agreement(step: Step, before: bytes, after: bytes) -> buf.Agreement:
    """Compare what the plan said of this step with what buf finds."""
    return buf.compare(buf.breaking(before, after), step.differences, analyse(before), analyse(after))


def _decided(step: Step, outcome: Outcome, config: Config) -> Typed:
    """What the person types to decide the renames that a plan proposes."""
    sections = outcome.plan.evolution.sections if outcome.plan.evolution else ()
    proposals: list[Item] = [item for section in sections for item in section.items if item.proposed]
    step.renamed = tuple(item.title for item in proposals)
    typed = [shlex.split(item.commands[0 if config.accept else 1])[-1] for item in proposals]
    if config.accept:
        return Typed(renames=tuple(typed), prune=config.prune)
    return Typed(no_renames=tuple(typed), prune=config.prune)


def _take_note(done: Plan, root: Path, person: Person) -> None:
    """Tell the person where the plan said that files of theirs would go; what it did not say counts as lost."""
    moved = {change.source: change.path for change in done.changes if change.action == "move"}
    for change in done.archived:
        places = (folder / change.path for folder in (root / attic.FOLDER).iterdir())
        archived = next((p for p in places if p.is_file() and p.read_bytes() == change.before), None)
        if archived is not None:
            moved[change.path] = archived.relative_to(root).as_posix()
    person.moved(moved)


def _follow(step: Step, root: Path, person: Person, looked_at: bool) -> None:
    """The person's turn: what the API has outdated is brought up to date, and everything else gets another line."""
    fresh = _fresh(root)
    step.outdated = tuple(person.outdated(fresh))
    if looked_at and step.outdated:
        step.at_once = str(judge.load(root))
    person.follow(fresh)
    person.write(fresh)


def _fresh(root: Path) -> dict[str, Artifact]:
    """What this revision would give in an empty folder, by path: what people compare their own files with."""
    workspace, settings = open_workspace(root)
    with tempfile.TemporaryDirectory(prefix="scaffold-fresh-") as folder:
        for name in settings.protos.roots:
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(root / name, target_is_directory=True)
        return {a.path: a for a in wanted(Workspace(Path(folder), workspace.text), settings).artifacts}


def digest(root: Path) -> str:
    """A digest of every path, its bytes and its time of change; of all but caches and what Python leaves."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(CACHE) and "__pycache__" not in path.parts:
            found.update(f"{name}\0{path.stat().st_mtime_ns}\0".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
