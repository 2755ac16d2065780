"""Which files an anti-corruption layer consists of: the port, its two directions over gRPC, the seam, and what checks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core import naming, pycode
from scaffold.core.diagnostics import Diagnostic, Location
from scaffold.core.domain import Domain, doc, domain, unspecified
from scaffold.core.files import LANGUAGE, descriptors_view, name_view
from scaffold.core.proposals import Proposal, propose
from scaffold.core.shapes import Kind, shape, usable_patterns
from scaffold.core.usages import Vocabulary
from scaffold.core.view import (
    AdapterBoundariesView,
    AdapterSkeletonView,
    ComponentFiles,
    EnumView,
    FactsView,
    FileView,
    MessageFactsView,
    MethodView,
    ModelFactsView,
    NamesView,
    PortView,
    RemoteView,
    SeamView,
    ServeView,
    TestView,
    TypeView,
    WireView,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scaffold.core.api import Api, Field, Method
    from scaffold.core.facts import ColumnFacts, ModelFacts
    from scaffold.core.settings import Adapter

# What the generated modules themselves are called by, besides the port.
_TAKEN = frozenset(
    "Any Around AsyncIterable AsyncIterator AsyncRemote AsyncSeam Awaitable Blocking Callable Enum ErrorMap Flags "
    "HandlerPending Headers Iterable Iterator Local Mapping Optional Path Pinned Protocol Remote Router Run Seam SeamFile "
    "TABLE CODEC Union dataclass datetime flags grpc bool bytes dict float int object str tuple".split()
)

# Attributes that no RPC of the generated classes can have.
_NO_ATTRIBUTES = frozenset({"close", "reachable", "router"})

_ORMS = ("django", "sqlalchemy")

_READS = (Kind.GET, Kind.LIST, Kind.BATCH_GET)


@dataclass(frozen=True)
class _Call:
    """One RPC with its names here."""

    service: str
    method: Method
    attribute: str
    request: str
    response: str
    entity: str
    safe: bool

    @property
    def kind(self) -> str:
        sides = (self.method.client_streaming, self.method.server_streaming)
        return {
            (False, False): "unary",
            (False, True): "server_stream",
            (True, False): "client_stream",
            (True, True): "both_stream",
        }[sides]


def adapter_files(
    adapter: Adapter,
    api: Api,
    serialized: Mapping[str, bytes],
    models: Sequence[ModelFacts],
    runtime: Mapping[str, str],
) -> ComponentFiles:
    """Say which files a layer consists of. ``models`` are those that its table names, as the snapshot has them."""
    return _Builder(adapter, api, serialized, models, runtime).build()


def adapter_vocabulary(adapter: Adapter, api: Api) -> Vocabulary:
    """What the names stand for that a layer's own files import; every service of the layer is in the Api."""
    return _Builder(adapter, api, {}, (), {}).vocabulary()


def adapter_problems(adapter: Adapter, api: Api) -> Iterator[Diagnostic]:
    """What the table says of RPCs and fields that are not there."""
    methods = {m.name: m for name in adapter.services for m in api.service_by_name[name].methods}
    for rpc, path in adapter.entities:
        method = methods.get(rpc)
        if method is None:
            message, remedy = f'there is no RPC "{rpc}"', f"RPCs there: {', '.join(methods)}"
        elif method.client_streaming or not _is_text(api, method.input, path):
            message = f'{rpc}\'s request has no text field "{path}"'
            remedy = "name a field of the request, or a path to one: `item.name`"
        else:
            continue
        where = Location("scaffold.toml")
        yield Diagnostic("settings-value", f"[acls.{adapter.name}] entities: {message}", where, remedy)


def _is_text(api: Api, message: str, path: str) -> bool:
    first, _, rest = path.partition(".")
    field = api.message_by_name[message].field(first)
    if field is None or field.repeated:
        return False
    return _is_text(api, field.type_name, rest) if rest and field.type == "message" else field.type == "string"


class _Builder:
    """Names everything once, then makes the views from those names."""

    def __init__(
        self,
        adapter: Adapter,
        api: Api,
        serialized: Mapping[str, bytes],
        models: Sequence[ModelFacts],
        runtime: Mapping[str, str],
    ) -> None:
        self._adapter = adapter
        self._api = api
        self._serialized = serialized
        self._models = tuple(models)
        self._runtime = runtime
        self._services = tuple(api.service_by_name[name] for name in adapter.services)
        self._origin = ", ".join(adapter.protos)
        self._port = f"{naming.pascal(adapter.name)}Port"
        taken = _TAKEN | {self._port, f"Async{self._port}"}
        self._domain: Domain = domain(api, self._services, taken)
        self._names = {t.message.full_name: t.name for t in self._domain.types}
        self._calls = self._find_calls()
        self._types = {name for c in self._calls for name in (c.request, c.response)}

    def build(self) -> ComponentFiles:
        """Every file, and what the skeleton needs."""
        gen: list[tuple[str, str, object]] = [
            ("gen/__init__.py", "acl/init.py.j2", None),
            ("gen/descriptors.py", "gen/descriptors.py.j2", self._descriptors()),
            ("gen/port.py", "acl/port.py.j2", self._port_view()),
            ("gen/wire.py", "acl/wire.py.j2", self._wire()),
            ("gen/names.py", "gen/names.py.j2", self._resource_names()),
            ("gen/facts.py", "acl/facts.py.j2", self._facts()),
            ("gen/translation.py", "acl/translation.py.j2", None),
            ("gen/remote.py", "acl/remote.py.j2", self._remote()),
            ("gen/servicer.py", "acl/servicer.py.j2", self._serve()),
            ("gen/seam.py", "acl/seam.py.j2", self._seam()),
            ("gen/through.py", "acl/through.py.j2", self._serve()),
            ("gen/runtime/__init__.py", "acl/runtime_init.py.j2", None),
        ]
        if self._adapter.orm == "django":
            for folder in ("management", "management/commands"):
                gen.append((f"{folder}/__init__.py", "acl/management_init.py.j2", None))
            gen.append((f"management/commands/serve_{self._adapter.name}.py", "acl/serve_command.py.j2", self._serve()))
        files = [
            self._file(".importlinter", "acl/importlinter.j2", self._boundaries()),
            self._file("tests/contract/test_contract.py", "test_contract.py.j2", self._contract()),
            self._file("tests/acl/test_errors.py", "acl/test_errors.py.j2", self._boundaries()),
            self._file("tests/acl/test_translators.py", "acl/test_translators.py.j2", self._boundaries()),
            *(self._file(f"src/{self._adapter.package}/{path}", template, view) for path, template, view in gen),
        ]
        runtime = [
            FileView(f"{self._adapter.root}/gen/runtime/{path}", "generated", f"runtime/{path}", text=text)
            for path, text in self._runtime.items()
        ]
        return ComponentFiles(self._adapter, (*files, *runtime), self._skeleton())

    def _file(self, path: str, template: str, view: object) -> FileView:
        return FileView(f"{self._adapter.path}/{path}", "generated", self._origin, template, view)

    def vocabulary(self) -> Vocabulary:
        """What the names stand for; whoever has the port's methods is a client, `Local` too."""
        gen, name = f"{self._adapter.package}.gen", self._adapter.address
        names = {f"{gen}.port.{t.name}": t.message.full_name for t in self._domain.types}
        names |= {f"{gen}.port.{v.name}": v.enum.full_name for v in self._domain.enums}
        classes = [f"port.{self._port}", f"port.Async{self._port}", "remote.Remote", "remote.AsyncRemote"]
        classes += ["seam.Seam", "seam.AsyncSeam"]
        return Vocabulary(
            names,
            {name: {c.attribute: c.method.full_name for c in self._calls}},
            {**dict.fromkeys((f"{gen}.{c}" for c in classes), name), f"{self._adapter.package}.local.Local": name},
            {},
        )

    # Calls.

    def _find_calls(self) -> tuple[_Call, ...]:
        methods = [(s, m) for s in self._services for m in s.methods]
        wanted = {m.full_name: naming.identifier(naming.snake(m.name)) for _, m in methods}
        wanted = {n: f"{a}_" if a in _NO_ATTRIBUTES else a for n, a in wanted.items()}
        attributes = naming.unique(wanted, wanted)
        entities = dict(self._adapter.entities)
        return tuple(
            _Call(
                service=s.full_name,
                method=m,
                attribute=attributes[m.full_name],
                request=self._names[m.input],
                response=self._names[m.output],
                entity=entities.get(m.name) or self._entity(m),
                safe=not m.client_streaming
                and (m.idempotency == "NO_SIDE_EFFECTS" or shape(self._api, m).kind in _READS),
            )
            for s, m in methods
        )

    def _entity(self, method: Method) -> str:
        """The path of the field that names what a call is about; empty where the proto does not say."""
        if method.client_streaming:
            return ""
        shaped = shape(self._api, method)
        if shaped.kind in (Kind.GET, Kind.DELETE, Kind.UNDELETE):
            return shaped.key
        if shaped.kind is Kind.UPDATE:
            return f"{shaped.body}.{shaped.resource_key}" if shaped.resource_key else ""
        if shaped.kind is not Kind.CUSTOM:
            return ""  # a list is about many, and what is created has no name yet
        fields = [f for f in self._api.message_by_name[method.input].fields if f.type == "string" and not f.repeated]
        named = [f for f in fields if f.name == "name"] + [f for f in fields if f.reference]
        return naming.identifier(named[0].name) if named else ""

    # Views.

    def _descriptors(self) -> object:
        """With google's files: a monolith may have copies of its own, of another age, and then the module cannot be imported."""
        protos = self._adapter.protos
        return descriptors_view(self._api, protos, protos, self._adapter.services, self._serialized, elsewhere=LANGUAGE)

    def _port_view(self) -> PortView:
        annotations = " ".join(a.annotation for t in self._domain.types for a in t.attributes)
        imports = ["from dataclasses import dataclass"]
        if any(a.default.startswith("_field(") for t in self._domain.types for a in t.attributes):
            imports.append("from dataclasses import field as _field")
        if "datetime." in annotations:
            imports.insert(0, "import datetime")
        if self._domain.enums:
            imports.append("from enum import Enum")
        abstract = {"Mapping"} & {a.annotation.partition("[")[0] for t in self._domain.types for a in t.attributes}
        abstract |= self._streams()
        if abstract:
            imports.insert(int("datetime." in annotations), pycode.statement("collections.abc", sorted(abstract)))
        names = ["Optional"] * ("Optional[" in annotations) + ["Protocol"]
        imports.append(pycode.statement("typing", names))
        return PortView(
            imports="\n".join(imports),
            enums=tuple(
                EnumView(
                    v.name,
                    doc(v.enum.doc, f"{v.enum.full_name}."),
                    tuple((name, pycode.literal(value)) for name, value in v.members),
                )
                for v in self._domain.enums
            ),
            types=tuple(
                TypeView(
                    t.name,
                    doc(t.message.doc, f"{t.message.full_name}."),
                    tuple(f"{a.name}: {a.annotation} = {a.default}" for a in t.attributes),
                )
                for t in self._domain.types
            ),
            port=self._port,
            methods=tuple(self._method(c, "") for c in self._calls),
            async_methods=tuple(self._async_method(c, "", protocol=True) for c in self._calls),
        )

    def _method(self, call: _Call, body: str) -> MethodView:
        argument = f"requests: Iterable[{call.request}]" if call.method.client_streaming else f"request: {call.request}"
        response = f"Iterator[{call.response}]" if call.method.server_streaming else call.response
        signature = pycode.fit(f"def {call.attribute}(", ("self", argument), f") -> {response}:", 4)
        return MethodView(signature, self._about(call), body)

    def _async_method(self, call: _Call, body: str, *, protocol: bool = False) -> MethodView:
        argument = (
            f"requests: AsyncIterable[{call.request}]" if call.method.client_streaming else f"request: {call.request}"
        )
        response = f"AsyncIterator[{call.response}]" if call.method.server_streaming else call.response
        # What yields is called without `await`: in a protocol, where nothing yields, that has to be said so.
        opening = "def" if protocol and call.method.server_streaming else "async def"
        signature = pycode.fit(f"{opening} {call.attribute}(", ("self", argument), f") -> {response}:", 4)
        return MethodView(signature, self._about(call), body)

    @staticmethod
    def _about(call: _Call) -> str:
        return pycode.docstring(call.method.doc or f"{call.method.full_name}.", 8)

    def _remote(self) -> RemoteView:
        def call(c: _Call) -> tuple[str, tuple[str, ...]]:
            argument = "requests" if c.method.client_streaming else "request"
            return f"self._connection.{c.kind}(", (pycode.literal(c.method.name), argument, c.response)

        def body(c: _Call) -> str:
            head, arguments = call(c)
            return pycode.fit(f"return {head}", arguments, ")", 8)

        def async_body(c: _Call) -> str:
            head, arguments = call(c)
            if c.method.server_streaming:
                loop = pycode.fit(f"async for answer in {head}", arguments, "):", 8)
                return f"{loop}\n            yield answer"
            return pycode.fit(f"return await {head}", arguments, ")", 8)

        return RemoteView(
            typing=(
                *([pycode.statement("collections.abc", sorted(self._streams()), 4)] if self._streams() else []),
                "from typing import Optional",
                "",
                "import grpc",
            ),
            port=pycode.statement(".port", sorted(self._types, key=pycode.member_order)),
            methods=tuple(self._method(c, body(c)) for c in self._calls),
            async_methods=tuple(self._async_method(c, async_body(c)) for c in self._calls),
        )

    def _streams(self) -> set[str]:
        """What streams are annotated with."""
        found: set[str] = set()
        for call in self._calls:
            found |= {"Iterable", "AsyncIterable"} if call.method.client_streaming else set()
            found |= {"Iterator", "AsyncIterator"} if call.method.server_streaming else set()
        return found

    def _from_port(self, *more: str) -> str:
        return pycode.statement(".port", sorted(self._types | set(more), key=pycode.member_order), 4)

    def _serve(self) -> ServeView:
        return ServeView(
            name=self._adapter.name,
            environment=naming.environment(self._adapter.name),
            package=self._adapter.package,
            services=", ".join(self._adapter.services),
            port=self._port,
            port_number=50051,
        )

    def _seam(self) -> SeamView:
        def body(c: _Call) -> str:
            name = pycode.literal(c.method.name)
            about, given = ("None", "requests") if c.method.client_streaming else ("request", "request")
            return f"port = self._port({name}, {about})\n        return port.{c.attribute}({given})"

        return SeamView(
            port=self._port,
            signature=pycode.fit(
                "def __init__(",
                (
                    "self",
                    f"local: {self._port}",
                    "remote: Remote",
                    "modes: Union[Flags, Path, str]",
                    "*",
                    'salt: str = ""',
                    "pinned: Optional[Pinned] = None",
                ),
                ") -> None:",
                4,
            ),
            streams=("collected",) if any(c.method.client_streaming for c in self._calls) else (),
            typing=(
                *([pycode.statement("collections.abc", sorted(self._streams()), 4), ""] if self._streams() else []),
                self._from_port(self._port),
                "from .remote import AsyncRemote, Remote",
                "from .runtime.acl.pins import Pinned",
            ),
            methods=tuple(self._method(c, body(c)) for c in self._calls),
            async_methods=tuple(self._async_method(c, self._async_route(c)) for c in self._calls),
        )

    @staticmethod
    def _async_route(c: _Call) -> str:
        name = pycode.literal(c.method.name)
        request = "requests" if c.method.client_streaming else "request"
        about = "None" if c.method.client_streaming else "request"
        given = "await collected(requests)" if c.method.client_streaming else "request"
        pad = "\n        "
        if c.method.server_streaming:
            return pad.join(
                (
                    f"if await self._to_service({name}, {about}):",
                    f"    async for answer in self._remote.{c.attribute}({request}):",
                    "        yield answer",
                    "    return",
                    pycode.fit("answers = self._blocking.iterate(", (f"self._local.{c.attribute}", given), ")", 8),
                    "try:",
                    "    async for answer in answers:",
                    "        yield answer",
                    "finally:",
                    "    await answers.aclose()",
                )
            )
        return pad.join(
            (
                f"if await self._to_service({name}, {about}):",
                f"    return await self._remote.{c.attribute}({request})",
                pycode.fit("return await self._blocking.call(", (f"self._local.{c.attribute}", given), ")", 8),
            )
        )

    def _wire(self) -> WireView:
        attributes = [
            (f"{t.message.full_name}.{a.field.name}", a.name)
            for t in self._domain.types
            for a in t.attributes
            if a.name != a.field.name
        ]
        return WireView(
            component=pycode.literal(self._adapter.name),
            rpcs=_tuple([self._rpc(c) for c in self._calls]),
            types=tuple((t.name, pycode.literal(t.message.full_name)) for t in self._domain.types),
            enums=tuple((v.name, pycode.literal(v.enum.full_name)) for v in self._domain.enums),
            attributes=tuple((pycode.literal(name), pycode.literal(attribute)) for name, attribute in attributes),
        )

    def _rpc(self, call: _Call) -> str:
        method = call.method
        request_id = self._api.message_by_name[method.input].field("request_id")
        takes_id = request_id is not None and request_id.type == "string" and not request_id.repeated
        arguments = [
            *(
                pycode.literal(text)
                for text in (call.service, method.name, call.attribute, method.input, method.output)
            ),
            *["client_streaming=True"] * method.client_streaming,
            *["server_streaming=True"] * method.server_streaming,
            *([f"entity={pycode.literal(call.entity)}"] if call.entity else []),
            *["safe=True"] * call.safe,
            *["request_id=True"] * (takes_id and not call.safe and not method.client_streaming),
        ]
        return pycode.fit("Rpc(", tuple(arguments), "),", 8)[:-1]

    def _facts(self) -> FactsView:
        return FactsView(
            messages=tuple(
                MessageFactsView(
                    type=t.name,
                    name=pycode.literal(t.message.full_name),
                    fields=_entries("fields", [self._field_facts(a.field, a.name, a.kind) for a in t.attributes]),
                    required=t.required,
                    place=pycode.literal(f"{t.message.where.path}:{t.message.where.line}"),
                )
                for t in self._domain.types
            ),
            models=tuple(
                ModelFactsView(pycode.literal(m.name), _entries("columns", [_column_facts(c) for c in m.columns]))
                for m in self._models
            ),
            has_columns=any(m.columns for m in self._models),
        )

    def _field_facts(self, field: Field, attribute: str, kind: str) -> str:
        arguments = [pycode.literal(field.name), pycode.literal(attribute), pycode.literal(kind)]
        arguments += ["repeated=True"] * field.repeated + ["presence=True"] * field.presence
        if field.oneof:
            arguments.append(f"oneof={pycode.literal(field.oneof)}")
        if kind == "enum":
            enum = self._api.enum_by_name[field.type_name]
            arguments.append(pycode.strings("values=", [v.name for v in enum.values], indent=16))
            if unspecified(enum):
                arguments.append(f"unspecified={pycode.literal(unspecified(enum))}")
        if kind == "message":
            arguments.append(f"message={pycode.literal(field.type_name)}")
        arguments.append(f"place={pycode.literal(f'{field.where.path}:{field.where.line}')}")
        return pycode.fit("Field(", tuple(arguments), "),", 12)[:-1]

    def _resource_names(self) -> NamesView:
        """A class for each resource that the API exchanges and declares a pattern for."""
        patterns = {t.message.full_name: usable_patterns(t.message) for t in self._domain.types}
        wanted = {name: f"{naming.pascal(self._names[name])}Name" for name, found in patterns.items() if found}
        classes = naming.unique(wanted, wanted)
        views = (name_view(classes[name], name, patterns[name]) for name in sorted(classes, key=lambda n: classes[n]))
        return NamesView(tuple(views), ".runtime.common.names")

    def _boundaries(self) -> AdapterBoundariesView:
        own = {m.module.split(".")[0] for m in self._models if m.module}
        return AdapterBoundariesView(self._adapter.package, self._adapter.orm, tuple(sorted(own | {*_ORMS})), _ORMS)

    def _contract(self) -> TestView:
        return TestView(pycode.literal(self._adapter.name), pycode.literal(self._adapter.package), "store")

    # The skeleton.

    def _skeleton(self) -> AdapterSkeletonView:
        proposals = propose(self._domain, self._models)
        return AdapterSkeletonView(
            name=self._adapter.name,
            package=self._adapter.package,
            path=self._adapter.path,
            orm=self._adapter.orm,
            environment=naming.environment(self._adapter.name),
            services=self._adapter.services,
            port=self._port,
            models=self._adapter.models,
            translators=tuple(_translator(p) for p in proposals),
            words=", ".join(["todo"] * bool(proposals) + ["translation"] + ["translator"] * bool(proposals)),
            translation=pycode.fit("TRANSLATION = translation(", tuple(p.variable for p in proposals), ")"),
            imports=tuple(_model_imports(self._models)),
            typing=pycode.statement(f"{self._adapter.package}.gen.port", sorted(self._types, key=pycode.member_order)),
            methods=tuple(self._pending(c) for c in self._calls),
            streams=tuple(
                sorted(
                    {"Iterator" for c in self._calls if c.method.server_streaming}
                    | {"Iterable" for c in self._calls if c.method.client_streaming}
                )
            ),
            # One that can be divided, as the comment beside it says.
            example=min(
                ((not c.entity, i, c.method.name) for i, c in enumerate(self._calls)), default=("", 0, "Method")
            )[2],
        )

    def _pending(self, call: _Call) -> str:
        view = self._method(call, "")
        path = f"{self._adapter.root}/local.py"
        body = pycode.fit("raise HandlerPending(", (pycode.literal(path),), ")", 8)
        return f"    {view.signature}\n        {view.doc}\n        {body}"


def _column_facts(column: ColumnFacts) -> str:
    arguments = [pycode.literal(column.name), pycode.literal(column.kind)]
    arguments += ["null=True"] * column.null
    if column.choices:
        values = tuple(pycode.literal(c) if isinstance(c, str) else repr(c) for c in column.choices)
        arguments.append(
            f"choices=({values[0]},)" if len(values) == 1 else pycode.exploded("choices=(", values, ")", 16)
        )
    if column.names:
        arguments.append(pycode.strings("names=", list(column.names), indent=16))
    arguments += ["aware=False"] * (not column.aware) + ["stored=False"] * (not column.stored)
    arguments += [
        f"{key}={pycode.literal(getattr(column, key))}" for key in ("attribute", "model") if getattr(column, key)
    ]
    arguments += [
        f"{key}={getattr(column, key)}"
        for key in ("low", "high", "digits", "places", "length")
        if getattr(column, key) is not None
    ]
    return pycode.fit("Column(", tuple(arguments), "),", 12)[:-1]


def _tuple(entries: Sequence[str]) -> str:
    """A tuple of entries as an argument of its own, as formatters have it."""
    if len(entries) == 1 and "\n" not in entries[0] and 4 + len(f"({entries[0]},),") <= pycode.WIDTH:
        return f"({entries[0]},),"
    return "(\n" + "".join(f"        {entry},\n" for entry in entries) + "    )," if entries else "(),"


def _entries(name: str, entries: Sequence[str]) -> str:
    """A tuple of entries as an argument, as formatters have it."""
    single = f"{name}=({entries[0]},)," if len(entries) == 1 else ""
    if single and "\n" not in single and 8 + len(single) <= pycode.WIDTH:
        return single
    inner = "".join(f"            {entry},\n" for entry in entries)
    return f"{name}=(\n{inner}        )," if entries else f"{name}=(),"


def _translator(proposal: Proposal) -> str:
    """A translator in translate.py, as it is proposed: nothing in it passes."""
    model = pycode.literal(proposal.model) if proposal.model else '""'
    lines = [f"{proposal.variable} = translator(", f"    port.{proposal.target},", f"    {model},", "    fields={"]
    for name, text in proposal.fields:
        lines.append("        " + pycode.fit(f"{pycode.literal(name)}: todo(", (pycode.literal(text),), "),", 8))
    lines.append("    },")
    if proposal.unused:
        lines.append("    # Nobody has said yet what becomes of these; the API may well do without them:")
        lines += [f"    #   drop({pycode.literal(name)}, reason=…)" for name in proposal.unused]
    lines += ["    drops=[],", ")"]
    return "\n".join(lines)


def _model_imports(models: Sequence[ModelFacts]) -> Iterator[str]:
    modules: dict[str, list[str]] = {}
    for model in models:
        modules.setdefault(model.module, []).append(model.class_name)
    for module in sorted(modules):
        yield pycode.statement(module, sorted(set(modules[module])))
