"""The starter proto: what `new` writes where there is no API yet. It is read, changed and thrown away."""

from __future__ import annotations

import re
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
    article: str
    noun: str
    nouns: str
    variable: str
    field: str
    collection: str
    domain: str


def starter(name: str, workspace: str) -> StarterView:
    """The names of a starter API: package ``<workspace>.<name>.v1``, a service, one resource."""
    top = _top(workspace)
    variable = naming.singular(name)
    many = naming.plural(variable)
    return StarterView(
        name=name,
        package=f"{top}.{name}.v1",
        service=f"{naming.pascal(variable)}Service",
        resource=naming.pascal(variable),
        resources=naming.pascal(many),
        article=naming.article(variable),
        noun=variable.replace("_", " "),
        nouns=many.replace("_", " "),
        variable=variable,
        field=many,
        collection=many.replace("_", "-"),
        domain=f"{top.replace('_', '-')}.example.com",
    )


def path(name: str, workspace: str) -> str:
    """Where the starter goes, from its root: the folders of its package (buf's PACKAGE_DIRECTORY_MATCH)."""
    return f"{_top(workspace)}/{name}/v1/{name}.proto"


def _top(workspace: str) -> str:
    """The first part of the package: protos and host names know ASCII letters only, and begin with one."""
    words = naming.snake(re.sub(r"[^A-Za-z0-9]+", "_", workspace))
    return words if words[0].isalpha() else f"api_{words}"
