"""Views → Artifacts. The only user of Jinja in the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import BaseLoader, Environment, StrictUndefined

from scaffold.core import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scaffold.core.view import FileView, Owner


@dataclass(frozen=True)
class Artifact:
    """A file that should exist: POSIX path from the workspace, content, whose it is, what it was made from."""

    path: str
    content: bytes
    owner: Owner
    origin: str
    rpc: str = ""


def render(files: Iterable[FileView], loader: BaseLoader) -> tuple[Artifact, ...]:
    """Render and stamp every file. The loader knows the templates of ``templates/generated`` and ``templates/stub``."""
    environment = Environment(
        loader=loader, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    return tuple(_artifact(file, environment) for file in files)


def _artifact(file: FileView, environment: Environment) -> Artifact:
    text = environment.get_template(file.template).render(v=file.view) if file.template else file.text
    if file.owner == "generated":
        text = stamp.generated(file.path, file.origin, text)
    elif file.owner == "stub":
        text = stamp.stub(file.origin, text)
    return Artifact(file.path, text.encode(), file.owner, file.origin, file.rpc)
