"""What a hundred components cost, and what ten cost beside the tools that one would take otherwise."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

from tests.bench.timing import ROOT, SCAFFOLD, compare, run

CATALOG = (ROOT / "protos/shop/catalog/v1/catalog.proto").read_text(encoding="utf-8")
PROCESS = """\
syntax = "proto3";
package shop.{name}.v1;
service Process {{ rpc Run(RunRequest) returns (RunResponse); }}
message RunRequest {{ string name = 1; }}
message RunResponse {{}}
"""
STORES, PROCESSES, TEN = 80, 20, 10
# Slow pairs are not repeated as often.
FEW = 3


def many(folder: Path) -> None:
    """A workspace of a hundred components: what an unchanged one costs, and a change in one of them."""
    print(f"{STORES} stores like the sample's catalog, {PROCESSES} processes that use two of them each\n")
    hundred = make(folder / "hundred", STORES, PROCESSES)
    compare(
        "unchanged regen with 100 components / bare Python start",
        lambda: run([*SCAFFOLD, "regen"], hundred),
        lambda: run([sys.executable, "-c", ""], hundred),
        aim=5,
    )
    # One process depends on the first store; the other store that it uses is unchanged.
    few = make(folder / "few", 2, 1)
    compare(
        "a change in one of 100, with the 1 that uses it / the same change where there is nothing else",
        changed(hundred),
        changed(few),
        aim=4,
    )
    compare(
        "a change in one of 100 / everything rendered again",
        changed(hundred),
        rendered(hundred),
        aim=1,
        runs=FEW,
    )


def peers(folder: Path) -> None:
    """Ten components beside cookiecutter, copier and openapi-generator, each at its best: one process for all ten."""
    ten = make(folder / "ten", TEN, 0)
    names = [f"catalog{number:03}" for number in range(TEN)]
    files = sum(1 for f in (ten / "services/catalog000").rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    print(f"{TEN} stores of {files} files each, of which the sample's catalog is one\n")
    for beside in (cookiecutter, copier, openapi_generator):
        beside(folder, ten, names)


def cookiecutter(folder: Path, ten: Path, names: list[str]) -> None:
    """The same files from a cookiecutter template of them, in which only the name varies."""
    template = folder / "cookiecutter"
    skeleton(ten / "services/catalog000", template / "{{cookiecutter.name}}", "{{cookiecutter.name}}")
    (template / "cookiecutter.json").write_text('{"name": "catalog"}', encoding="utf-8")
    compare(
        "10 components made again from nothing / cookiecutter makes 10 skeletons of the same files",
        lambda: again(ten, names),
        lambda: peer("skeletons", str(template), str(folder / "skeletons"), *names),
        aim=1,
        before=lambda: remove([folder / "skeletons"]),
        runs=FEW,
    )

    command = [str(Path(sys.executable).parent / "cookiecutter"), "--no-input", "-o", str(folder / "skeletons")]
    compare(
        "burn 10 components, each by a command / cookiecutter makes 10 skeletons, each by a command",
        lambda: burnt(ten, names),
        lambda: sum(run([*command, str(template), f"name={name}"], folder) for name in names),
        aim=2,  # what somebody wrote is on the disk, twice, before anything else is touched
        before=lambda: remove([folder / "skeletons"]),
        runs=FEW,
    )


def copier(folder: Path, ten: Path, names: list[str]) -> None:
    """An update of ten projects to a template's next version; the change is the same: one field more."""
    if shutil.which("git") is None or find_spec("copier") is None:
        print("copier: skipped, it needs git and the dependency group `bench`\n")
        return
    template = folder / "copier"
    skeleton(ten / "services/catalog000", template, "{{ name }}")
    peer("updates", "make", str(template), str(folder / "updates"), *names)
    compare(
        "one field more in each of 10 components: regen / copier updates 10 projects of the same files",
        grown(ten, names),
        lambda: peer("updates", "update", str(template), str(folder / "updates"), *names),
        aim=1,
        before=lambda: reset(folder / "updates", names),
        runs=FEW,
    )


def openapi_generator(folder: Path, ten: Path, names: list[str]) -> None:
    """Servers of an OpenAPI description with the catalog's operations, by openapi-generator's own batch command."""
    if shutil.which("java") is None or find_spec("openapi_generator_cli") is None:
        print("openapi-generator: skipped, it needs Java and the dependency group `bench`\n")
        return
    there = folder / "openapi"
    there.mkdir()
    configurations = [str(openapi(there, name)) for name in names]
    generator = [str(Path(sys.executable).parent / "openapi-generator-cli"), "batch", "--fail-fast", *configurations]
    compare(
        "10 components made again from nothing / openapi-generator makes 10 Flask servers with the same operations",
        lambda: again(ten, names),
        lambda: run(generator, there),
        aim=1,
        before=lambda: remove(there / f"made-{name}" for name in names),
        runs=FEW,
    )
    made = sum(1 for f in (there / "made-catalog000").rglob("*") if f.is_file())
    print(f"  ({made} files each: no client, no repository, no contract suite)\n")


# Workspaces.


def make(root: Path, stores: int, processes: int) -> Path:
    """A generated workspace: stores with the sample's catalog, processes that use two of them each."""
    run([*SCAFFOLD, "init", str(root)], root.parent)
    names = [f"catalog{number:03}" for number in range(stores)]
    protos = {name: CATALOG.replace("shop.catalog.v1", f"shop.{name}.v1") for name in names}
    tables = [table("stores", name, "CatalogService") for name in names]
    for number in range(processes):
        name, first = f"process{number:03}", number * 2
        protos[name] = PROCESS.format(name=name)
        tables.append(f'{table("processes", name, "Process")}uses = ["{names[first]}", "{names[first + 1]}"]\n')
    for name, text in protos.items():
        target = root / f"protos/shop/{name}/v1/{name}.proto"
        target.parent.mkdir(parents=True)
        target.write_text(text, encoding="utf-8")
    with (root / "scaffold.toml").open("a", encoding="utf-8") as settings:
        settings.write("".join(tables))
    for _ in range(2):
        run([*SCAFFOLD, "regen"], root)
    return root


def table(section: str, name: str, service: str) -> str:
    """A component's table in scaffold.toml."""
    return f'\n[{section}.{name}]\nproto = "shop/{name}/v1/{name}.proto"\nservices = ["shop.{name}.v1.{service}"]\n'


def changed(root: Path) -> Callable[[], float]:
    """A function that changes the first store's API, regenerates, and says how long that took."""
    return grown(root, ["catalog000"])


def grown(root: Path, names: Iterable[str]) -> Callable[[], float]:
    """A function that gives a message of stores one field more, or takes it back, and regenerates."""
    files = [root / f"protos/shop/{name}/v1/{name}.proto" for name in names]
    last = "\nmessage Grown {"
    texts = {file: file.read_text(encoding="utf-8").partition(last)[0] + f"{last}\n}}\n" for file in files}
    count = 0

    def once() -> float:
        nonlocal count
        count += 1
        for file, text in texts.items():
            file.write_text(text.replace(last, f"{last}\n  string field_{count} = {count};"), encoding="utf-8")
        return run([*SCAFFOLD, "regen"], root)

    return once


def rendered(root: Path) -> Callable[[], float]:
    """A function that regenerates as if nothing was known of the last run."""

    def once() -> float:
        for note in ("components.json", "stat.json"):
            (root / ".scaffold/cache" / note).unlink(missing_ok=True)
        return run([*SCAFFOLD, "regen"], root)

    return once


def again(root: Path, names: Iterable[str]) -> float:
    """Seconds that it takes to make components again, when all that we made is deleted."""
    for line in (root / ".scaffold/files").read_text(encoding="utf-8").splitlines():
        path, owner = (*line.split("\t"), "", "")[:2]
        if owner in ("generated", "stub") and path.startswith(tuple(f"services/{name}/" for name in names)):
            (root / path).unlink(missing_ok=True)
    return run([*SCAFFOLD, "regen"], root)


def burnt(root: Path, names: Iterable[str]) -> float:
    """Seconds that it takes to burn components in which somebody has written a handler and lost what was generated."""
    seconds = 0.0
    for name in names:
        package = root / f"services/{name}/src/{name}"
        with (package / "handlers/get_product.py").open("a", encoding="utf-8") as handler:
            handler.write("\n# Somebody's.\n")
        shutil.rmtree(package / "gen")
        seconds += run([*SCAFFOLD, "burn", name, "--yes"], root)
    return seconds


# What the peers work on.


def peer(module: str, *arguments: str) -> float:
    """Run one of tests/bench/peers."""
    return run([sys.executable, "-m", f"tests.bench.peers.{module}", *arguments], ROOT)


def skeleton(component: Path, target: Path, name: str) -> None:
    """A template of a component's files, in which its name varies."""
    for file in component.rglob("*"):
        if file.is_dir() or "__pycache__" in file.parts:
            continue
        place = target / str(file.relative_to(component)).replace("catalog000", name)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text(encoding="utf-8")
        if any(mark in text for mark in ("{{", "{%", "{#")):
            parts = text.split("catalog000")
            text = "".join(f"{{% raw %}}{part}{{% endraw %}}" if part else "" for part in parts[:1])
            text += "".join(f"{name}{{% raw %}}{part}{{% endraw %}}" for part in parts[1:])
        else:
            text = text.replace("catalog000", name)
        place.write_text(text, encoding="utf-8")


def reset(folder: Path, names: Iterable[str]) -> None:
    """Bring projects back to the template's first version."""
    for name in names:
        run(["git", "reset", "--quiet", "--hard", "v1"], folder / name)
        run(["git", "clean", "--quiet", "-fd"], folder / name)


def remove(folders: Iterable[Path]) -> None:
    """Delete folders that may be there."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def openapi(folder: Path, name: str) -> Path:
    """An OpenAPI description with the catalog's operations, and what the generator is to do with it."""

    def schema(title: str) -> dict[str, object]:
        return {"$ref": f"#/components/schemas/{title}"}

    def answer(title: str) -> dict[str, object]:
        return {"200": {"description": "OK", "content": {"application/json": {"schema": schema(title)}}}}

    def listed(title: str) -> dict[str, object]:
        return {"type": "array", "items": schema(title)}

    text = {"type": "string"}
    product = {"name": "product", "in": "path", "required": True, "schema": text}
    query = [{"name": key, "in": "query", "schema": text} for key in ("page_size", "page_token", "filter", "order_by")]
    named = [{"name": "names", "in": "query", "schema": {"type": "array", "items": text}}]
    body = {"required": True, "content": {"application/json": {"schema": schema("Product")}}}
    paths = {
        "/v1/products": {
            "get": {"operationId": "listProducts", "parameters": query, "responses": answer("ListProductsResponse")},
            "post": {"operationId": "createProduct", "requestBody": body, "responses": answer("Product")},
        },
        "/v1/products/{product}": {
            "get": {"operationId": "getProduct", "parameters": [product], "responses": answer("Product")},
            "delete": {"operationId": "deleteProduct", "parameters": [product], "responses": answer("Empty")},
        },
        "/v1/products:batchGet": {
            "get": {
                "operationId": "batchGetProducts",
                "parameters": named,
                "responses": answer("BatchGetProductsResponse"),
            },
        },
    }
    schemas = {
        "Product": {"type": "object", "properties": {"name": text, "title": text, "price": schema("Money")}},
        "Money": {"type": "object", "properties": {"currency_code": text, "units": text, "nanos": {"type": "integer"}}},
        "ListProductsResponse": {
            "type": "object",
            "properties": {"products": listed("Product"), "next_page_token": text},
        },
        "BatchGetProductsResponse": {"type": "object", "properties": {"products": listed("Product")}},
        "Empty": {"type": "object"},
    }
    description = {
        "openapi": "3.0.3",
        "info": {"title": name, "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    (folder / f"{name}.json").write_text(json.dumps(description), encoding="utf-8")
    configuration = folder / f"{name}.config.json"
    configuration.write_text(
        json.dumps(
            {
                "inputSpec": f"{name}.json",
                "outputDir": f"made-{name}",
                "generatorName": "python-flask",
                "packageName": name,
            }
        ),
        encoding="utf-8",
    )
    return configuration
