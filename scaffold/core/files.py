"""Which files a component consists of, each with its template and the view that fills it."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from textwrap import fill
from typing import TYPE_CHECKING

from scaffold.core import naming, pycode
from scaffold.core.bodies import LOCAL_NAMES, Resource, Single, Words, body
from scaffold.core.pycode import Imports
from scaffold.core.recorded import NOTHING, Recorded, handler_names
from scaffold.core.shapes import Kind, Shape, shape, usable_patterns
from scaffold.core.stubs import STANDARD, StubWriter, module_names
from scaffold.core.usages import Vocabulary
from scaffold.core.view import (
    BodyView,
    BoundariesView,
    ClientClass,
    ClientMethod,
    ClientView,
    ComponentFiles,
    DescriptorsView,
    FileView,
    FirstTestView,
    HandlerView,
    MainView,
    MessagesView,
    NamesView,
    NameView,
    ReexportView,
    RpcView,
    ServicesView,
    ServiceView,
    SkeletonView,
    TestView,
    VendorsView,
    VendorView,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scaffold.core.api import Api, Enum, Message, Method, Service
    from scaffold.core.settings import Settings, Unit

# What googleapis-common-protos and protobuf install: used from there, never copied into a service.
INSTALLED = ("google/protobuf/", "google/api/", "google/rpc/", "google/type/", "google/longrunning/")

# What the template of service.py says itself.
_BINDING = frozenset({"Callable", "Rpc", "SERVICES", "Service", "dataclass"})

# Packages that talk to a database; a business process imports none of them.
DATABASES = tuple(
    "MySQLdb aiomysql aiosqlite alembic asyncpg django mysql peewee pony psycopg psycopg2 pymongo pymysql redis "
    "sqlalchemy sqlite3 sqlmodel tortoise".split()
)


# What installed packages bring and has no generated Python: registered with the component's own files. Nothing in it is
# ever sent, so there are no modules for its messages.
OPTIONS = ("buf/validate/",)

_FIRST_TEST = "stub/test_handlers.py.j2"

# The module of the runtime that enforces constraints; it needs a package that nobody else does.
_ENFORCEMENT = "service/validate.py"


# What protobuf itself brings: the language, and everybody's.
LANGUAGE = ("google/protobuf/",)


def is_installed(file: str) -> bool:
    """Whether a proto file comes with an installed package."""
    return file.startswith(INSTALLED)


def component_files(
    unit: Unit,
    api: Api,
    settings: Settings,
    serialized: Mapping[str, bytes],
    runtime: Mapping[str, str],
    recorded: Mapping[str, Recorded] | None = None,
) -> ComponentFiles:
    """Say which files a component consists of.

    ``serialized`` are the FileDescriptorProtos by file name, without source info; ``runtime`` the files of
    ``templates/runtime`` that this kind takes, by path below ``gen/runtime``; ``recorded`` what the handlers of each
    component have been called so far.
    """
    return _Builder(unit, api, settings, serialized, runtime, recorded or {}).build()


def vocabulary(unit: Unit, api: Api, settings: Settings, recorded: Mapping[str, Recorded]) -> Vocabulary:
    """What a component's Python names stand for; every service of the unit and of those it uses is in the Api."""
    return _Builder(unit, api, settings, {}, {}, recorded).vocabulary()


class _Builder:
    """Names everything once, then makes the views from those names."""

    def __init__(
        self,
        unit: Unit,
        api: Api,
        settings: Settings,
        serialized: Mapping[str, bytes],
        runtime: Mapping[str, str],
        recorded: Mapping[str, Recorded],
    ) -> None:
        self._unit = unit
        self._api = api
        self._settings = settings
        self._serialized = serialized
        self._runtime = runtime
        self._recorded = recorded
        self._units = {u.name: u for u in settings.components()}
        self._services = tuple(api.service_by_name[name] for name in unit.services)
        self._used = tuple(self._units[name] for name in unit.uses)
        self._origin = ", ".join(unit.protos)
        protos = [*unit.protos, *(proto for used in self._used for proto in used.protos)]
        self._own_files = api.closure(unit.protos)
        self._files = api.closure(tuple(protos))
        self._modules = self._message_modules()
        self._exports: dict[str, Mapping[str, str]] = {}
        self._primary = api.packages[self._services[0].file] if self._services else ""
        names = handler_names(self._services, recorded.get(unit.name, NOTHING))
        self._attributes, self._folders = names.attributes, names.folders
        self._shapes = {m.full_name: shape(api, m) for s in self._services for m in s.methods}
        self._resources = self._find_resources()
        self._has_rules = any(f.name.startswith(OPTIONS) for f in self._own_files)

    # What there is.

    def build(self) -> ComponentFiles:
        unit = self._unit
        files = [
            self._generated(".importlinter", "importlinter.j2", self._boundaries()),
            self._generated("tests/contract/test_contract.py", "test_contract.py.j2", self._test()),
            # Ours while untouched: the example is one for an RPC that there is, and those change.
            FileView(f"{unit.path}/tests/test_handlers.py", "stub", self._origin, _FIRST_TEST, self._first_test()),
            *self._handlers(),
            *self._gen(),
        ]
        return ComponentFiles(unit, tuple(files), self._skeleton())

    def vocabulary(self) -> Vocabulary:
        """What the names stand for that users import."""
        gen = f"{self._unit.package}.gen"
        names: dict[str, str] = {}
        for package, module in self._modules.items():
            exported = self._exported(package)
            names |= {f"{gen}.messages.{module}.{name}": full for full, name in exported.items()}
            if package == self._primary:
                names |= {f"{gen}.api.{name}": full for full, name in exported.items()}
        clients: dict[str, dict[str, str]] = {}
        classes: dict[str, str] = {}
        for used in self._used:
            services = [self._api.service_by_name[name] for name in used.services]
            package = self._api.packages[services[0].file] if services else ""
            names |= {f"{gen}.clients.{used.name}.{name}": full for full, name in self._exported(package).items()}
            classes |= {
                f"{gen}.clients.{used.name}.{prefix}{name}": used.name
                for name in _client_classes(services).values()
                for prefix in ("", "Sync")
            }
            clients[used.name] = {
                _client_attribute(attribute): f"{service}.{rpc}"
                for service, attributes in self._attributes_of(used).items()
                for rpc, attribute in attributes.items()
            }
        modules = {f"{gen}.messages.{module}": package for package, module in self._modules.items()}
        return Vocabulary(names, clients, classes, modules)

    def _gen(self) -> Iterator[FileView]:
        yield self._gen_file("__init__.py", self._services)
        yield self._gen_file("descriptors.py", self._descriptors())
        yield self._gen_file("messages/__init__.py", None)
        for package, module in self._modules.items():
            view = self._messages(package)
            yield self._gen_file(f"messages/{module}.py", view, "gen/messages/module.py.j2")
            yield self._gen_file(f"messages/{module}.pyi", view, "gen/messages/module.pyi.j2")
        yield self._gen_file("api.py", self._reexport())
        yield self._gen_file("names.py", self._names())
        yield self._gen_file("service.py", self._services_view())
        if self._used:
            yield self._gen_file("clients/__init__.py", None)
        for used in self._used:
            yield self._gen_file(f"clients/{used.name}.py", self._client(used), "gen/clients/client.py.j2")
        if self._unit.vendors:
            yield self._gen_file("vendors.py", self._vendors())
        yield self._gen_file("main.py", self._main())
        yield self._gen_file("runtime/__init__.py", self._main())
        for path, text in self._runtime.items():
            if path == _ENFORCEMENT and not self._has_rules:
                continue
            target = f"{self._unit.root}/gen/runtime/{path}"
            yield FileView(target, "generated", f"runtime/{path}", text=text)

    def _generated(self, path: str, template: str, view: object) -> FileView:
        return FileView(f"{self._unit.path}/{path}", "generated", self._origin, template, view)

    def _gen_file(self, path: str, view: object, template: str = "") -> FileView:
        target = f"{self._unit.root}/gen/{path}"
        return FileView(target, "generated", self._origin, template or f"gen/{path}.j2", view)

    def _message_modules(self) -> dict[str, str]:
        """The module of each proto package: those of this component's files, and those whose messages it exchanges."""
        here = {f.name for f in self._files}
        needed = {f.package for f in self._files if not is_installed(f.name) and not f.name.startswith(OPTIONS)}
        services = [s for u in (self._unit, *self._used) for s in u.services]
        waiting = [n for s in services for m in self._api.service_by_name[s].methods for n in (m.input, m.output)]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            message = self._api.message_by_name.get(name)
            if name in seen or message is None:
                continue
            seen.add(name)
            waiting += [f.type_name for f in message.fields if f.type_name]
        declared = self._api.message_by_name
        needed |= {self._api.packages[declared[n].file] for n in seen if declared[n].file in here}
        needed.discard(STANDARD)
        return naming.unique(needed, {p: naming.module(p) for p in needed})

    def _find_resources(self) -> dict[str, Resource]:
        names = {s.resource for s in self._shapes.values() if s.standard}
        messages = [self._api.message_by_name[n] for n in sorted(names)]
        plurals = {m.full_name: _collection(m) for m in messages}
        attributes = naming.unique(plurals, plurals)
        classes = {m.full_name: f"{naming.pascal(m.name)}Name" for m in messages}
        unique_classes = naming.unique(classes, classes)
        patterns = {m.full_name: usable_patterns(m) for m in messages}
        return {
            m.full_name: Resource(
                message=m.full_name,
                attribute=attributes[m.full_name],
                variable=_variable(m),
                name_class=unique_classes[m.full_name] if patterns[m.full_name] else "",
                patterns=patterns[m.full_name],
            )
            for m in messages
        }

    # gen/

    def _descriptors(self) -> DescriptorsView:
        protos = [*self._unit.protos, *(proto for used in self._used for proto in used.protos)]
        return descriptors_view(self._api, protos, self._unit.protos, self._unit.services, self._serialized)

    def _messages(self, package: str) -> MessagesView:
        messages, enums = self._declared(package)
        names = self._exported(package)
        imports = Imports(frozenset(names.values()))
        make = {
            name: imports.add("..runtime.common.messages", name)
            for name, there in (("enum", enums), ("message", messages))
            if there
        }
        declared = [("message", m.full_name) for m in messages] + [("enum", e.full_name) for e in enums]
        exports = [
            pycode.fit(f"{names[full_name]} = {make[maker]}(", (pycode.literal(full_name),), ")")
            for maker, full_name in declared
        ]
        exports += [f"{names[f'{e.full_name}.{v.name}']} = {v.number}" for e in enums for v in e.values]
        exports += [e for m in messages for e in _reserved(m, names[m.full_name])]
        writer = StubWriter(self._api, self._modules, package, names)
        classes = (*(writer.enum(e) for e in enums), *(writer.message(m) for m in messages))
        return MessagesView(
            title=package or "(no package)",
            imports=imports.lines(),
            exports=tuple(exports),
            stub_imports=writer.imports(),
            classes=classes,
        )

    def _declared(self, package: str) -> tuple[list[Message], list[Enum]]:
        """What a package declares at its top, in the files that this component needs."""
        here = {f.name for f in self._files if f.package == package}
        return [m for m in self._api.messages if m.file in here], [e for e in self._api.enums if e.file in here]

    def _reexport(self) -> ReexportView:
        names = tuple(sorted(self._exported(self._primary).values(), key=pycode.member_order))
        module = self._modules.get(self._primary, "")
        return ReexportView(
            title=self._primary,
            imports=pycode.statement(f".messages.{module}", list(names)) if names else "",
            names=names,
        )

    def _exported(self, package: str) -> Mapping[str, str]:
        """What a package's messages module gives out, by full name."""
        if package not in self._exports:
            self._exports[package] = module_names(*self._declared(package)) if package in self._modules else {}
        return self._exports[package]

    def _names(self) -> NamesView:
        """A class for each resource that this component's own protos declare a pattern for."""
        found = [r for r in self._resources.values() if r.patterns]
        return NamesView(
            tuple(name_view(r.name_class, r.message, r.patterns) for r in sorted(found, key=lambda r: r.name_class))
        )

    def _services_view(self) -> ServicesView:
        classes = naming.unique(self._unit.services, {n: _apart(_last(n)) for n in self._unit.services})
        loaders = {full: _apart(naming.snake(name)) for full, name in classes.items()}
        attributes = {a for s in self._services for a in self._attributes[s.full_name].values()} - _BINDING
        imports = Imports(frozenset({*classes.values(), *loaders.values(), *attributes, "SERVICES"}))
        for module, name in (
            ("collections.abc", "Callable"),
            ("dataclasses", "dataclass"),
            (".runtime", "Rpc"),
            (".runtime", "Service"),
            (".runtime", "require"),
        ):
            imports.add(module, name)
        views = [self._service_view(s, classes[s.full_name], loaders[s.full_name], imports) for s in self._services]
        return ServicesView(imports.lines(first_party=frozenset({self._unit.package})), tuple(views))

    def _service_view(self, service: Service, class_name: str, loader: str, imports: Imports) -> ServiceView:
        folder = self._folders[service.full_name]
        package = f"{self._unit.package}.{folder.replace('/', '.')}"
        attributes = self._attributes[service.full_name]
        names = [attributes[m.name] for m in service.methods]
        files = tuple(f"{pycode.literal(n)}: {pycode.literal(f'{folder}/{n}.py')}" for n in names)
        rpcs = tuple(self._rpc_view(m, attributes[m.name], imports) for m in service.methods)
        return ServiceView(
            full_name=pycode.literal(service.full_name),
            class_name=class_name,
            doc=pycode.docstring(f"{service.full_name}: the function that answers each RPC.", 4),
            loader=loader,
            require=_require(imports.add(".runtime", "require"), self._unit.package, files),
            result=pycode.exploded(f"return {class_name}(", tuple(f"{n}={n}" for n in names), ")", 4),
            imports=tuple(
                pycode.statement(f"{package}.{name}", [name], 4) for name in sorted(names, key=pycode.natural)
            ),
            rpcs=rpcs,
            table=_table([rpc.entry for rpc in rpcs]),
        )

    def _rpc_view(self, method: Method, attribute: str, imports: Imports) -> RpcView:
        context = imports.add(f"{self._unit.package}.app", "Context")
        request = self._reference(method.input, imports, ".")
        response = self._reference(method.output, imports, ".")
        entry = [pycode.literal(method.name), pycode.literal(attribute), request, response]
        entry += ["client_streaming=True"] * method.client_streaming + [
            "server_streaming=True"
        ] * method.server_streaming
        return RpcView(
            handler=self._handler_type(method, request, response, context, imports),
            entry=pycode.fit("Rpc(", tuple(entry), "),", 12)[:-1],
        )

    def _handler_type(self, method: Method, request: str, response: str, context: str, imports: Imports) -> str:
        """The field for the function that answers an RPC, by kind of component and of RPC."""
        process = self._unit.kind == "process"
        stream = "AsyncIterator" if process else "Iterator"
        if method.client_streaming:
            request = f"{imports.add('collections.abc', stream)}[{request}]"
        if method.server_streaming:
            response = f"{imports.add('collections.abc', stream)}[{response}]"
        elif process:
            response = f"{imports.add('collections.abc', 'Awaitable')}[{response}]"
        attribute = self._attributes[method.full_name.rpartition(".")[0]][method.name]
        return pycode.fit(f"{attribute}: Callable[", (f"[{request}, {context}]", response), "]", 4)

    def _attributes_of(self, used: Unit) -> Mapping[str, Mapping[str, str]]:
        """The methods of a used component's clients: they are called like its handlers."""
        services = [self._api.service_by_name[name] for name in used.services]
        return handler_names(services, self._recorded.get(used.name, NOTHING)).attributes

    def _client(self, used: Unit) -> ClientView:
        services = tuple(self._api.service_by_name[name] for name in used.services)
        package = self._api.packages[services[0].file] if services else ""
        exported = self._exported(package)
        module = f"..messages.{self._modules.get(package, '')}"
        classes = _client_classes(services)
        names = (*classes.values(), *(f"Sync{name}" for name in classes.values()))
        imports = Imports(frozenset(names))
        bases = {prefix: imports.add("..runtime", f"{prefix}ServiceClient") for prefix in ("", "Sync")}
        # What is called like something here is not passed on; a method that needs it imports it under another name.
        taken = {*bases.values(), *names, *pycode.BUILTINS}
        messages = [imports.add(module, name) for name in sorted(exported.values()) if name not in taken]
        views = [
            self._client_class(used, service, f"{prefix}{classes[service.full_name]}", base, imports)
            for prefix, base in bases.items()
            for service in services
        ]
        return ClientView(
            title=used.name,
            imports=imports.lines(),
            classes=tuple(views),
            names=tuple(sorted([*names, *messages], key=pycode.member_order)),
        )

    def _client_class(self, used: Unit, service: Service, class_name: str, base: str, imports: Imports) -> ClientClass:
        attributes = self._attributes_of(used)[service.full_name]
        blocking = base.startswith("Sync")
        about = f"Calls {service.full_name}, without an event loop." if blocking else f"Calls {service.full_name}."
        return ClientClass(
            class_name=class_name,
            base=base,
            doc=pycode.docstring(f"{about}\n\n{service.doc}", 4),
            component=pycode.literal(used.name),
            service=pycode.literal(service.full_name),
            methods=tuple(
                self._client_method(m, attributes[m.name], imports, blocking=blocking) for m in service.methods
            ),
        )

    def _client_method(self, method: Method, attribute: str, imports: Imports, *, blocking: bool) -> ClientMethod:
        request = self._reference(method.input, imports, "..")
        response = self._reference(method.output, imports, "..")
        if method.client_streaming:
            stream = "Iterable" if blocking else "AsyncIterable"
            argument = f"requests: {imports.add('collections.abc', stream)}[{request}]"
        else:
            argument = f"request: {request}"
        kind = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
        call = f"self._{kind[0]}_{kind[1]}"
        arguments = (pycode.literal(method.name), argument.split(":")[0], response, "timeout", *self._safety(method))
        opening, lead = "def", "return "
        if method.server_streaming:
            response = f"{imports.add('collections.abc', 'Iterator' if blocking else 'AsyncIterator')}[{response}]"
        elif not blocking:
            opening, lead = "async def", "return await "
        signature = pycode.fit(
            f"{opening} {_client_attribute(attribute)}(",
            ("self", argument, "*", "timeout: float | None = None"),
            f") -> {response}:",
            4,
        )
        doc = method.doc or f"Calls {method.full_name}."
        return ClientMethod(signature, pycode.docstring(doc, 8), pycode.fit(f"{lead}{call}(", arguments, ")", 8))

    def _safety(self, method: Method) -> tuple[str, ...]:
        """The argument that says when the call may be made again (AIP-194): it reads only, or changes nothing twice."""
        if method.client_streaming:
            return ()
        if method.idempotency or shape(self._api, method).kind in (Kind.GET, Kind.LIST, Kind.BATCH_GET):
            return ("safe=True",)
        # With a request_id the service promises that (AIP-155); without one it cannot know that it was asked before.
        request_id = self._api.message_by_name[method.input].field("request_id")
        if request_id is not None and request_id.type == "string" and not request_id.repeated:
            return ('safe=request.request_id != ""',)
        return ()

    def _vendors(self) -> VendorsView:
        views = []
        for name in self._unit.vendors:
            vendor = self._settings.vendors[name]
            prefix = naming.environment(name)
            peer = vendor.peer_service or name
            views.append(
                VendorView(
                    class_name=_vendor_class(name),
                    doc=pycode.docstring(
                        f"Calls {peer} over HTTP; every call is a span, within the time that is left.", 4
                    ),
                    name=pycode.literal(name),
                    peer_service=pycode.literal(peer),
                    timeout_seconds=vendor.timeout_seconds,
                    url_variable=pycode.literal(f"{prefix}_URL"),
                    variables=tuple(vendor.env),
                )
            )
        return VendorsView(tuple(views))

    def _main(self) -> MainView:
        metadata = self._settings.metadata
        return MainView(
            name=pycode.literal(self._unit.name),
            kind=self._unit.kind,
            package=self._unit.package,
            forward=pycode.strings("forward_headers=", metadata.forward, ",", 4),
            require=pycode.strings("require_headers=", metadata.require, ",", 4),
            rules=self._has_rules,
        )

    def _boundaries(self) -> BoundariesView:
        others = sorted(u.package for u in self._units.values() if u.name != self._unit.name and not u.external)
        return BoundariesView(self._unit.package, tuple(others), DATABASES if self._unit.kind == "process" else ())

    def _test(self) -> TestView:
        return TestView(pycode.literal(self._unit.name), pycode.literal(self._unit.package), self._unit.kind)

    # Handlers.

    def _handlers(self) -> Iterator[FileView]:
        root = self._unit.root
        for service in self._services:
            folder = self._folders[service.full_name]
            doc = pycode.docstring(f"What {service.full_name} does: one module for each RPC.")
            yield FileView(f"{root}/{folder}/__init__.py", "yours", self._origin, text=f"{doc}\n")
            for method in service.methods:
                attribute = self._attributes[service.full_name][method.name]
                path = f"{root}/{folder}/{attribute}.py"
                template, view = self._handler(method, attribute, path)
                rpc = f"{service.name}.{method.name}"
                origin = f"{service.file}#{rpc}"
                yield FileView(path, "stub", origin, f"stub/{template}.py.j2", view, rpc=method.full_name)

    def _handler(self, method: Method, attribute: str, path: str) -> tuple[str, HandlerView]:
        """The template of a handler that nobody has written yet, and what fills it."""
        shaped = self._shapes[method.full_name]
        variables = (resource.variable for resource in self._resources.values())
        imports = Imports(frozenset({attribute, *LOCAL_NAMES, *variables}))
        standard = self._unit.kind == "store" and shaped.standard
        if not standard:
            imports.add(f"{self._unit.package}.gen.runtime", "HandlerPending")
        response = self._reference(method.output, imports, f"{self._unit.package}.gen.")
        signature = self._signature(method, attribute, response, imports)
        made = self._body(method, shaped, response, imports) if standard else None
        view = HandlerView(
            doc=pycode.docstring(_about(method, shaped)),
            imports=imports.lines(first_party=frozenset({self._unit.package})),
            signature=signature,
            response=response,
            pending=pycode.fit("raise HandlerPending(", (pycode.literal(path),), ")", 4),
            streams=method.server_streaming,
            body=made,
            flow=_flow(method, self._unit.kind),
        )
        return ("standard" if standard else "pending"), view

    def _body(self, method: Method, shaped: Shape, response: str, imports: Imports) -> BodyView:
        """The body of a standard method, with what it needs imported."""
        resource = self._resources[shaped.resource]
        gen = f"{self._unit.package}.gen"
        request = self._api.message_by_name[method.input]
        force = request.field("force")
        state = self._api.message_by_name[shaped.resource] if shaped.body else request
        words = Words(
            runtime=lambda name: imports.add(f"{gen}.runtime", name),
            name_class=lambda: imports.add(f"{gen}.names", resource.name_class),
            response=response,
            empty=not self._api.message_by_name[method.output].fields,
            etag=state.field("etag") is not None,
            children=self._children(resource) if force and force.type == "bool" else (),
            single=self._single(shaped, imports) if shaped.single else None,
        )
        return body(shaped, resource, words)

    def _children(self, resource: Resource) -> tuple[str, ...]:
        """The repositories of what is below a resource: of patterns that begin with one of its own."""
        above = tuple(f"{pattern}/" for pattern in resource.patterns)
        others = (r for r in self._resources.values() if r != resource and above)
        return tuple(r.attribute for r in others if any(pattern.startswith(above) for pattern in r.patterns))

    def _single(self, shaped: Shape, imports: Imports) -> Single:
        """The method that a batch does several times."""
        service, _, name = shaped.single.rpartition(".")
        attribute = self._attributes[service][name]
        method = next(m for m in self._api.service_by_name[service].methods if m.name == name)
        single = self._shapes[shaped.single]
        folder = self._folders[service].replace("/", ".")
        return Single(
            handler=imports.add(f"{self._unit.package}.{folder}.{attribute}", attribute),
            request=self._reference(method.input, imports, f"{self._unit.package}.gen.") if shaped.key else "",
            key=single.key,
            wrapper=single.wrapper,
        )

    def _signature(self, method: Method, attribute: str, response: str, imports: Imports) -> str:
        process = self._unit.kind == "process"
        stream = "AsyncIterator" if process else "Iterator"
        context = imports.add(f"{self._unit.package}.app", "Context")
        argument = f"request: {(request := self._reference(method.input, imports, f'{self._unit.package}.gen.'))}"
        if method.client_streaming:
            argument = f"requests: {imports.add('collections.abc', stream)}[{request}]"
        if method.server_streaming:
            response = f"{imports.add('collections.abc', stream)}[{response}]"
        opening = "async def" if process else "def"
        return pycode.fit(f"{opening} {attribute}(", (argument, f"context: {context}"), f") -> {response}:")

    # The skeleton: files that become the user's.

    def _skeleton(self) -> SkeletonView:
        package = self._unit.package
        imports = Imports(frozenset({"App", "Context", "build", "interceptors", "settings", "connect", "database"}))
        fields, arguments = [], []
        runtime = f"{package}.gen.runtime"
        for name in ("Call", "Interceptor", "Settings"):
            imports.add(runtime, name)
        imports.add("collections.abc", "Sequence")
        imports.add("dataclasses", "dataclass")
        if self._unit.kind == "store":
            if self._resources:
                imports.add(runtime, "Repository")
            for resource in self._resources.values():
                message = self._reference(resource.message, imports, f"{package}.gen.")
                fields.append(f"{resource.attribute}: Repository[{message}]")
                repository = ("database", message, f"table={pycode.literal(resource.attribute)}")
                arguments.append(pycode.fit(f"{resource.attribute}=Repository(", repository, "),", 8)[:-1])
            build = pycode.exploded("return App(", tuple(arguments), ")", 4)
        else:
            for used in self._used:
                client = imports.add(f"{package}.gen.clients", used.name)
                fields.append(f"{used.name}: {client}.Client")
                arguments.append(f"{used.name}=connect({client}.Client)")
            for vendor in self._unit.vendors:
                class_name = imports.add(f"{package}.gen.vendors", _vendor_class(vendor))
                fields.append(f"{vendor}: {class_name}")
                arguments.append(f"{vendor}={class_name}(settings)")
            build = pycode.exploded("return App(", tuple(arguments), ")", 4)
        variables = tuple(v for vendor in self._unit.vendors for v in self._settings.vendors[vendor].env)
        return SkeletonView(
            name=self._unit.name,
            kind=self._unit.kind,
            package=package,
            path=self._unit.path,
            requires=self._settings.python.requires,
            environment=naming.environment(self._unit.name),
            services=self._unit.services,
            app_imports=imports.lines(first_party=frozenset({package})),
            app_fields=tuple(fields),
            app_build=build,
            uses=self._unit.uses,
            vendors=self._unit.vendors,
            variables=variables,
            rules=self._has_rules,
        )

    def _first_test(self) -> FirstTestView:
        """An example of a handler's test, for an RPC that this component has."""
        package = self._unit.package
        unary = [m for s in self._services for m in s.methods if not m.client_streaming and not m.server_streaming]
        if not unary:
            return FirstTestView("", "")
        standard = [m for m in unary if self._unit.kind == "store" and self._shapes[m.full_name].kind is Kind.GET]
        method = next(iter(standard or unary))
        service = next(s for s in self._services if method in s.methods)
        attribute = self._attributes[service.full_name][method.name]
        folder = self._folders[service.full_name].replace("/", ".")
        imports = Imports()
        imports.add("", "pytest")
        imports.add(f"{package}.{folder}.{attribute}", attribute)
        imports.add(f"{package}.gen.runtime", "Call")
        if standard:
            shaped = self._shapes[method.full_name]
            for module, name in (("app", "build"), ("gen.runtime", "NotFound"), ("gen.runtime", "Settings")):
                imports.add(f"{package}.{module}", name)
            request = self._reference(method.input, imports, f"{package}.gen.")
            missing = re.sub(r"\{[^}]*\}", "none", next(iter(self._resources[shaped.resource].patterns), "none"))
            call: tuple[str, ...] = (f"{request}({shaped.key}={pycode.literal(missing)})", "Call(build(settings))")
            body = [
                f"def test_{attribute}_of_what_is_not_there() -> None:",
                '    environ = {"DATABASE_URL": "sqlite://"}',
                f"    settings = Settings.load({pycode.literal(self._unit.name)}, dev=True, environ=environ)",
                "    with pytest.raises(NotFound):",
                "        " + pycode.fit(f"{attribute}(", call, ")", 8),
            ]
        else:
            imports.add("unittest.mock", "Mock")
            imports.add(f"{package}.app", "App")
            imports.add(f"{package}.gen.runtime", "HandlerPending")
            request = self._reference(method.input, imports, f"{package}.gen.")
            call = (f"{request}()", "Call(Mock(spec=App))")
            head = f"{attribute}("
            if self._unit.kind == "process":
                imports.add("", "asyncio")
                call, head = (f"{head}{', '.join(call)})",), "asyncio.run("
            body = [
                f"def test_{attribute}_is_still_to_be_written() -> None:",
                '    """Replace this by what it has to do; App takes fakes of what the handler works with."""',
                "    with pytest.raises(HandlerPending):",
                "        " + pycode.fit(head, call, ")", 8),
            ]
        return FirstTestView(imports.lines(first_party=frozenset({package})), "\n".join(body))

    # References.

    def _reference(self, full_name: str, imports: Imports, gen: str) -> str:
        """Import what holds a message and say how it is called there; ``gen`` is the prefix of the module ``gen``."""
        top, nested = self._split(full_name)
        package = self._api.packages[self._api.message_by_name[full_name].file]
        if package == STANDARD:
            file = self._api.message_by_name[full_name].file
            return imports.add(f"{file.removesuffix('.proto').replace('/', '.')}_pb2", top.rpartition(".")[2]) + nested
        name = self._exported(package)[top]
        if package == self._primary:
            return imports.add(f"{gen}api", name) + nested
        return imports.add(f"{gen}messages.{self._modules[package]}", name) + nested

    def _split(self, full_name: str) -> tuple[str, str]:
        """A message's outermost message, and the rest as attribute access: ``p.Outer``, ``.Inner``."""
        package = self._api.packages[self._api.message_by_name[full_name].file]
        path = full_name.removeprefix(f"{package}.").split(".") if package else full_name.split(".")
        top = f"{package}.{path[0]}" if package else path[0]
        return top, "".join(f".{naming.identifier(part)}" for part in path[1:])


def descriptors_view(
    api: Api,
    protos: Sequence[str],
    own: Sequence[str],
    services: Sequence[str],
    serialized: Mapping[str, bytes],
    elsewhere: tuple[str, ...] = INSTALLED,
) -> DescriptorsView:
    """The compiled form of ``protos`` and all that they import; ``own`` are those of the component's own API.

    What begins with one of ``elsewhere`` comes from installed packages, and is only named.
    """
    files, own_files = api.closure(tuple(protos)), api.closure(tuple(own))
    registered = [f.name for f in files if not f.name.startswith(elsewhere)]
    # google/protobuf is never kept: it is the language itself, and everybody's.
    kept = [f.name for f in own_files if f.name.startswith(elsewhere) and f.name in own]
    installed = [
        f"{f.name.removesuffix('.proto')}_pb2".replace("/", ".") for f in files if f.name.startswith(elsewhere)
    ]
    digest = hashlib.sha256()
    for file in own_files:
        digest.update(serialized[file.name])
    return DescriptorsView(
        files=tuple((pycode.literal(name), _base64(serialized[name])) for name in registered),
        kept=tuple((pycode.literal(name), _base64(serialized[name])) for name in kept),
        installed=pycode.strings("INSTALLED: tuple[str, ...] = ", installed),
        services=pycode.strings("SERVICES: tuple[str, ...] = ", tuple(services)),
        digest=digest.hexdigest(),
    )


def name_view(class_name: str, message: str, patterns: Sequence[str]) -> NameView:
    """The class of a resource's name: ``message`` is its full name, ``patterns`` are one or more."""
    noun = _last(message)
    return NameView(
        class_name,
        pycode.docstring(f"The name of {naming.article(noun)} {noun}: ``{patterns[0]}``.", 4),
        pycode.literal(patterns[0]),
        pycode.strings("alternatives = ", patterns[1:], indent=4) if patterns[1:] else "",
    )


# Attributes that no RPC of a client can have.
_OF_EVERY_CLIENT = ("component", "connection_type", "service")

_AIP = {
    Kind.GET: 131,
    Kind.LIST: 132,
    Kind.CREATE: 133,
    Kind.UPDATE: 134,
    Kind.DELETE: 135,
    Kind.UNDELETE: 164,
    Kind.BATCH_GET: 231,
    Kind.BATCH_CREATE: 233,
    Kind.BATCH_DELETE: 235,
}


def _client_attribute(attribute: str) -> str:
    """The method of a client for an RPC's Python name."""
    return f"{attribute}_" if attribute in _OF_EVERY_CLIENT else attribute


def _client_classes(services: Sequence[Service]) -> dict[str, str]:
    """The class that calls each service of a component; its blocking twin has `Sync` before the name."""
    classes: dict[str, str] = {}
    taken: set[str] = set()
    for service in services:
        name = f"{naming.identifier(service.name)}Client" if classes else "Client"
        while taken & {name, f"Sync{name}"}:  # a version's service beside another's; SyncCart beside Cart
            name += "_"
        taken |= {name, f"Sync{name}"}
        classes[service.full_name] = name
    return classes


def _about(method: Method, shaped: Shape) -> str:
    aip = f" (AIP-{_AIP[shaped.kind]})" if shaped.kind in _AIP else ""
    doc = method.doc or "the API says nothing about it yet; a comment above the RPC in the proto would stand here."
    return f"{method.name}{aip}: {doc[:1].lower() + doc[1:] if doc[1:2].islower() else doc}"


def _flow(method: Method, kind: str) -> str:
    """How a handler works with streams: its docstring, empty where the RPC has none."""
    loop = "async for" if kind == "process" else "for"
    reading = f"`{loop} request in requests` reads until the caller has sent all."
    giving = "Each `yield` sends a message; `return` ends the stream, an error that is raised ends it with its status."
    lines = [reading] * method.client_streaming + [giving] * method.server_streaming
    return pycode.docstring("\n".join(lines), 4) if lines else ""


def _collection(message: Message) -> str:
    """The plural of a resource: the collection in its pattern (AIP-122), else a plain English plural."""
    if message.resource and message.resource.patterns:
        segments = [s for s in message.resource.patterns[0].split("/") if not s.startswith("{")]
        if segments:
            return naming.identifier(naming.snake(segments[-1].replace("-", "_")))
    return naming.plural(naming.snake(message.name))


def _reserved(message: Message, path: str) -> Iterator[str]:
    """What is nested under a name that Python reserves (``Outer.None``), again under one that can be written."""
    for name in (*(m.name for m in message.messages), *(e.name for e in message.enums)):
        if naming.identifier(name) != name:
            yield f"{path}.{naming.identifier(name)} = getattr({path}, {pycode.literal(name)})"
    for value in (value for enum in message.enums for value in enum.values):
        if naming.identifier(value.name) != value.name:
            yield f"{path}.{naming.identifier(value.name)} = {value.number}"
    for nested in message.messages:
        yield from _reserved(nested, f"{path}.{naming.identifier(nested.name)}")


def _variable(message: Message) -> str:
    """What a resource is called in a handler, beside the names that every handler has."""
    name = naming.identifier(naming.snake(message.name))
    return f"{name}_" if name in LOCAL_NAMES or name == "new_id" else name


def _apart(name: str) -> str:
    """A service's name in service.py, where it is not one that the module's own text uses."""
    name = naming.identifier(name)
    return f"{name}_" if name in _BINDING else name


def _vendor_class(name: str) -> str:
    """The class of a vendor's client; ``Vendor`` is the one that it inherits from."""
    class_name = naming.identifier(naming.pascal(name))
    return f"{class_name}_" if class_name == "Vendor" else class_name


def _last(full_name: str) -> str:
    return full_name.rpartition(".")[2]


def _base64(data: bytes) -> str:
    return fill(b64encode(data).decode(), 108)


def _table(entries: list[str]) -> str:
    """The entries of a service's RPCs as a tuple, in ``gen/service.py``."""
    if len(entries) == 1 and "\n" not in entries[0]:
        return f"({entries[0]},)"
    return "(\n" + "".join(f"            {entry},\n" for entry in entries) + "        )" if entries else "()"


def _require(function: str, package: str, files: tuple[str, ...]) -> str:
    """The call that makes sure that every handler's file is there."""
    return f"{function}(\n        {pycode.literal(package)},\n        {pycode.exploded('{', files, '}', 8)},\n    )"
