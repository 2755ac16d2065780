"""The starter proto: what `new` writes where there is no API yet. It is read, changed and thrown away."""

from __future__ import annotations

from dataclasses import dataclass

from scaffold.core import naming


@dataclass(frozen=True)
class StarterView:
    """What ``stub/starter_*.proto.j2`` sees; ``collection`` is a segment of resource names (kebab case, AIP-122)."""

    name: str
    package: str
    service: str
    resource: str
    resources: str
    noun: str
    nouns: str
    variable: str
    field: str
    collection: str
    domain: str


def starter(name: str, workspace: str) -> StarterView:
    """The names of a starter API: package ``<workspace>.<name>.v1``, a service, one resource."""
    top = naming.identifier(naming.snake(workspace))
    variable = naming.singular(name)
    many = naming.plural(variable)
    return StarterView(
        name=name,
        package=f"{top}.{name}.v1",
        service=f"{naming.pascal(variable)}Service",
        resource=naming.pascal(variable),
        resources=naming.pascal(many),
        noun=variable.replace("_", " "),
        nouns=many.replace("_", " "),
        variable=variable,
        field=many,
        collection=many.replace("_", "-"),
        domain=f"{top.replace('_', '-')}.example.com",
    )


def path(name: str, workspace: str) -> str:
    """Where the starter goes, from its root: the folders of its package (buf's PACKAGE_DIRECTORY_MATCH)."""
    return f"{naming.identifier(naming.snake(workspace))}/{name}/v1/{name}.proto"
