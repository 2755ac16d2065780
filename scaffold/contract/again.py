"""How somebody sees a failure again: as one command of ours, or with grpcurl."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from google.protobuf import json_format

from scaffold.contract.plan import DEFAULT_EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.contract.schema import Schema
    from scaffold.contract.trial import Exchange
    from scaffold.contract.wire import Metadata

# What `python -m PACKAGE --dev` serves on; a component that was started for the suite is gone by the time one reads.
_DEV_ADDRESS = "localhost:50051"
_LONGEST = 4000


def command(component: str, case: str, seed: int, examples: int, against: str, metadata: Metadata) -> str:
    """The one line that carries a case out again, on the same examples; ``against`` as the user writes it, or nothing."""
    words = ["scaffold", "test", component]
    if against:
        words += ["--against", against]
        # Values are for the server, not for a log.
        words += [word for key, _ in metadata for word in ("--metadata", f"{key}=...")]
    words += ["--", "-k", case, "--contract-seed", str(seed)]
    if examples != DEFAULT_EXAMPLES:
        words += ["--contract-examples", str(examples)]
    return shlex.join(words)


def grpcurl(schema: Schema, exchange: Exchange, address: str, metadata: Metadata) -> str:
    """A call as a line of grpcurl; empty where JSON cannot say it, or where it is too long to be of use.

    ``address`` is of a server that is still there; empty where there is none, and one has to be started.
    """
    try:
        requests = [
            json_format.MessageToJson(m, indent=None, preserving_proto_field_name=True, descriptor_pool=schema.pool)
            for m in exchange.requests
        ]
    except (json_format.Error, TypeError, ValueError, KeyError):
        return ""
    words = ["grpcurl", "-plaintext"]
    words += [word for key, _ in metadata for word in ("-H", f"{key}: ...")]
    words += ["-d", " ".join(requests), address or _DEV_ADDRESS, exchange.rpc.path[1:]]
    line = shlex.join(words)
    return line if len(line) <= _LONGEST else ""


def last(exchanges: Sequence[Exchange]) -> Exchange | None:
    """The call that a failure is about: the last one."""
    return exchanges[-1] if exchanges else None
