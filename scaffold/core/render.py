"""Views → Artifacts. The only user of Jinja in the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from scaffold.core import stamp

if TYPE_CHECKING:
    from jinja2 import BaseLoader, BytecodeCache

    from scaffold.core.view import FileView, Owner


@dataclass(frozen=True)
class Artifact:
    """A file that should exist: POSIX path from the workspace, content, whose it is, what it was made from.

    Without content it is known to stand there as it should (``shell/memory.py``).
    """

    path: str
    content: bytes | None
    owner: Owner
    origin: str
    rpc: str = ""


class Renderer:
    """Renders and stamps files. One of them serves a whole run: a template is compiled once."""

    def __init__(self, loader: BaseLoader, compiled: BytecodeCache | None = None) -> None:
        """``loader`` knows the templates of ``templates/generated`` by their path, those of ``templates/stub`` under `stub/`.

        ``compiled`` has templates that an earlier run has compiled.
        """
        # No HTML escaping: what comes from a proto has been escaped for Python, where it was laid out.
        self._environment = Environment(
            loader=loader,
            bytecode_cache=compiled,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            undefined=StrictUndefined,
        )

    def artifact(self, file: FileView) -> Artifact:
        """The file with its content, stamped by its owner."""
        text = self.text(file.template, file.view) if file.template else file.text
        if file.owner == "generated":
            text = stamp.generated(file.path, file.origin, text)
        elif file.owner == "stub":
            text = stamp.stub(file.origin, text)
        return Artifact(file.path, text.encode(), file.owner, file.origin, file.rpc)

    def text(self, template: str, view: object) -> str:
        """A template filled with a view, as ``v``."""
        return self._environment.get_template(template).render(v=view)
