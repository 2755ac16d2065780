"""What a template may see: names resolved, imports computed, text laid out and escaped. One dataclass a template.

Nobody compares or prints them, and without the methods for that it takes half the time to define them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from scaffold.core.settings import Adapter, Unit

Owner = Literal["generated", "stub", "yours"]


@dataclass(frozen=True, eq=False, repr=False)
class FileView:
    """One file that should exist: ``template`` is rendered with ``view`` as ``v``; without a template it is ``text``."""

    path: str
    owner: Owner
    origin: str
    template: str = ""
    view: object = None
    text: str = ""
    rpc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class DescriptorsView:
    """``gen/descriptors.py``: names and base64 lines of serialized files, imports first."""

    files: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...]
    installed: str
    services: str
    digest: str


@dataclass(frozen=True, eq=False, repr=False)
class MessagesView:
    """``gen/messages/<package>.py`` and ``.pyi``; ``exports`` are the statements that make its names at run time."""

    title: str
    imports: str
    exports: tuple[str, ...]
    stub_imports: str
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class ReexportView:
    """``gen/api.py``: the names of one messages module under a shorter path."""

    title: str
    imports: str
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class NameView:
    """A class in ``gen/names.py``."""

    class_name: str
    doc: str
    pattern: str
    alternatives: str


@dataclass(frozen=True, eq=False, repr=False)
class NamesView:
    """``gen/names.py``; ``source`` is the module that has the base class."""

    names: tuple[NameView, ...]
    source: str = ".runtime"


@dataclass(frozen=True, eq=False, repr=False)
class RpcView:
    """One RPC in ``gen/service.py``: ``handler`` is the field for its function, ``entry`` what the server has to know."""

    handler: str
    entry: str


@dataclass(frozen=True, eq=False, repr=False)
class ServiceView:
    """One service in ``gen/service.py``; ``table`` is the tuple of the entries of its RPCs."""

    full_name: str
    class_name: str
    doc: str
    loader: str
    require: str
    imports: tuple[str, ...]
    result: str
    rpcs: tuple[RpcView, ...]
    table: str


@dataclass(frozen=True, eq=False, repr=False)
class ServicesView:
    """``gen/service.py``."""

    imports: str
    services: tuple[ServiceView, ...]


@dataclass(frozen=True, eq=False, repr=False)
class ClientMethod:
    """One method of a typed client: the signature's text and the call."""

    signature: str
    doc: str
    call: str


@dataclass(frozen=True, eq=False, repr=False)
class ClientClass:
    """A client of one service; ``base`` is what it inherits from: the kind for event loops, or the other."""

    class_name: str
    base: str
    doc: str
    component: str
    service: str
    methods: tuple[ClientMethod, ...]


@dataclass(frozen=True, eq=False, repr=False)
class ClientView:
    """``gen/clients/<component>.py``."""

    title: str
    imports: str
    classes: tuple[ClientClass, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class VendorView:
    """A class in ``gen/vendors.py``."""

    class_name: str
    doc: str
    name: str
    peer_service: str
    timeout_seconds: float
    url_variable: str
    variables: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class VendorsView:
    """``gen/vendors.py``."""

    vendors: tuple[VendorView, ...]


@dataclass(frozen=True, eq=False, repr=False)
class MainView:
    """``gen/main.py``."""

    name: str
    kind: str
    package: str
    forward: str
    require: str
    rules: bool


@dataclass(frozen=True, eq=False, repr=False)
class BoundariesView:
    """``.importlinter``: who may not import whom."""

    package: str
    others: tuple[str, ...]
    databases: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class BodyView:
    """The body of a standard method: its docstring and its statements."""

    about: str
    lines: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class HandlerView:
    """A handler that nobody has written yet; one with a ``body`` works as it is, because its shape is standard.

    ``pending`` is the statement of one without.
    """

    doc: str
    imports: str
    signature: str
    response: str
    pending: str
    streams: bool
    body: BodyView | None
    flow: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class TestView:
    """``tests/contract/test_contract.py``."""

    name: str
    package: str
    kind: str


@dataclass(frozen=True, eq=False, repr=False)
class FirstTestView:
    """``tests/test_handlers.py`` as long as nobody has edited it: an example; without a ``body`` there is none to give."""

    imports: str
    body: str


@dataclass(frozen=True, eq=False, repr=False)
class SkeletonView:
    """What the cookiecutter templates of a kind see: everything is text, laid out already."""

    name: str
    kind: str
    package: str
    path: str
    requires: str
    environment: str
    services: tuple[str, ...]
    app_imports: str
    app_fields: tuple[str, ...]
    app_build: str
    uses: tuple[str, ...]
    vendors: tuple[str, ...]
    variables: tuple[str, ...]
    rules: bool

    @property
    def context(self) -> dict[str, object]:
        """The values as cookiecutter takes them."""
        return _context(self)


# An anti-corruption layer.


@dataclass(frozen=True, eq=False, repr=False)
class EnumView:
    """An enum of a port; ``members`` are names and literals."""

    name: str
    doc: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False, repr=False)
class TypeView:
    """A dataclass of a port; each field is a line."""

    name: str
    doc: str
    fields: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class MethodView:
    """A method for an RPC; ``call`` are its statements."""

    signature: str
    doc: str
    call: str


@dataclass(frozen=True, eq=False, repr=False)
class PortView:
    """``gen/port.py``; ``port`` is the protocol's name."""

    imports: str
    enums: tuple[EnumView, ...]
    types: tuple[TypeView, ...]
    port: str
    methods: tuple[MethodView, ...]
    async_methods: tuple[MethodView, ...]


@dataclass(frozen=True, eq=False, repr=False)
class WireView:
    """``gen/wire.py``: entries of tables, as text."""

    component: str
    rpcs: str
    types: tuple[tuple[str, str], ...]
    enums: tuple[tuple[str, str], ...]
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False, repr=False)
class MessageFactsView:
    """A message in ``gen/facts.py``; ``fields`` is the whole argument."""

    type: str
    name: str
    fields: str
    required: bool
    place: str


@dataclass(frozen=True, eq=False, repr=False)
class ModelFactsView:
    """A model in ``gen/facts.py``; ``columns`` is the whole argument."""

    name: str
    columns: str


@dataclass(frozen=True, eq=False, repr=False)
class FactsView:
    """``gen/facts.py``."""

    messages: tuple[MessageFactsView, ...]
    models: tuple[ModelFactsView, ...]
    has_columns: bool


@dataclass(frozen=True, eq=False, repr=False)
class RemoteView:
    """``gen/remote.py``; ``typing`` are the imports for type checkers, ``port`` that of the messages."""

    typing: tuple[str, ...]
    port: str
    methods: tuple[MethodView, ...]
    async_methods: tuple[MethodView, ...]


@dataclass(frozen=True, eq=False, repr=False)
class SeamView:
    """``gen/seam.py``; ``signature`` is that of the sync seam, ``streams`` are helpers for its async one."""

    port: str
    signature: str
    streams: tuple[str, ...]
    typing: tuple[str, ...]
    methods: tuple[MethodView, ...]
    async_methods: tuple[MethodView, ...]


@dataclass(frozen=True, eq=False, repr=False)
class ServeView:
    """``gen/servicer.py``, ``gen/through.py``, and the command of Django."""

    name: str
    environment: str
    package: str
    services: str
    port: str
    port_number: int


@dataclass(frozen=True, eq=False, repr=False)
class AdapterBoundariesView:
    """``.importlinter`` of a layer, and its generated tests; ``models`` are the top packages that hold models, and ORMs."""

    package: str
    orm: str
    models: tuple[str, ...]
    orms: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class AdapterSkeletonView:
    """What the cookiecutter template of a layer sees: everything is text, laid out already."""

    name: str
    package: str
    path: str
    orm: str
    environment: str
    services: tuple[str, ...]
    port: str
    models: tuple[str, ...]
    translators: tuple[str, ...]
    words: str
    translation: str
    imports: tuple[str, ...]
    typing: str
    methods: tuple[str, ...]
    streams: tuple[str, ...]
    example: str

    @property
    def context(self) -> dict[str, object]:
        """The values as cookiecutter takes them."""
        return _context(self)


def _context(view: SkeletonView | AdapterSkeletonView) -> dict[str, object]:
    """A view as cookiecutter takes it: its own lists are choices, so ours stand in ``{"all": […]}``."""
    values = {name: getattr(view, name) for name in view.__dataclass_fields__}
    return {name: {"all": list(v)} if isinstance(v, tuple) else v for name, v in values.items()}


@dataclass(frozen=True, eq=False, repr=False)
class ComponentFiles:
    """All that a component, or an anti-corruption layer, consists of."""

    unit: Unit | Adapter
    files: tuple[FileView, ...]
    skeleton: SkeletonView | AdapterSkeletonView
