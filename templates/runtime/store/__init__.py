"""What a store is made of, for its handlers, its ``app.py``, its tests and the generated code around them.

Names are imported from their modules when they are first used: reading a row needs no gRPC server, and a unit test of a
handler neither settings nor a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..common.call import Call
    from ..common.errors import (
        Aborted,
        AlreadyExists,
        Cancelled,
        DataLoss,
        DeadlineExceeded,
        FailedPrecondition,
        HandlerPending,
        Internal,
        InvalidArgument,
        NotFound,
        OutOfRange,
        PermissionDenied,
        ResourceExhausted,
        StatusError,
        Unauthenticated,
        Unavailable,
        Unimplemented,
        Unknown,
    )
    from ..common.names import ResourceName, new_id
    from ..common.tracing import Tracing
    from ..service.component import Running
    from ..service.problems import MissingHandlers, SettingsError, StartError
    from ..service.rpc import Rpc, Service, require
    from .database import Database
    from .fields import given
    from .replay import Answers
    from .repository import Held, Page, Repository
    from .server import Component, Interceptor, run, start
    from .settings import Settings
    from .standard import (
        Descendants,
        Resources,
        batch_create_resources,
        batch_delete_resources,
        batch_get_resources,
        check_etag,
        create_resource,
        delete_resource,
        get_resource,
        list_resources,
        once,
        soft_delete_resource,
        undelete_resource,
        update_resource,
    )
    from .watching import changes

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Answers",
    "Call",
    "Cancelled",
    "Component",
    "DataLoss",
    "Database",
    "DeadlineExceeded",
    "Descendants",
    "FailedPrecondition",
    "HandlerPending",
    "Held",
    "Interceptor",
    "Internal",
    "InvalidArgument",
    "MissingHandlers",
    "NotFound",
    "OutOfRange",
    "Page",
    "PermissionDenied",
    "Repository",
    "ResourceExhausted",
    "ResourceName",
    "Resources",
    "Rpc",
    "Running",
    "Service",
    "Settings",
    "SettingsError",
    "StartError",
    "StatusError",
    "Tracing",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unknown",
    "batch_create_resources",
    "batch_delete_resources",
    "batch_get_resources",
    "changes",
    "check_etag",
    "create_resource",
    "delete_resource",
    "get_resource",
    "given",
    "list_resources",
    "new_id",
    "once",
    "require",
    "run",
    "soft_delete_resource",
    "start",
    "undelete_resource",
    "update_resource",
]

_HOMES = {
    "..common.call": ("Call",),
    "..common.errors": (
        "Aborted",
        "AlreadyExists",
        "Cancelled",
        "DataLoss",
        "DeadlineExceeded",
        "FailedPrecondition",
        "HandlerPending",
        "Internal",
        "InvalidArgument",
        "NotFound",
        "OutOfRange",
        "PermissionDenied",
        "ResourceExhausted",
        "StatusError",
        "Unauthenticated",
        "Unavailable",
        "Unimplemented",
        "Unknown",
    ),
    "..common.names": (
        "ResourceName",
        "new_id",
    ),
    "..common.tracing": ("Tracing",),
    "..service.component": ("Running",),
    "..service.problems": (
        "MissingHandlers",
        "SettingsError",
        "StartError",
    ),
    "..service.rpc": (
        "Rpc",
        "Service",
        "require",
    ),
    ".database": ("Database",),
    ".fields": ("given",),
    ".replay": ("Answers",),
    ".repository": (
        "Held",
        "Page",
        "Repository",
    ),
    ".server": (
        "Component",
        "Interceptor",
        "run",
        "start",
    ),
    ".settings": ("Settings",),
    ".standard": (
        "Descendants",
        "Resources",
        "batch_create_resources",
        "batch_delete_resources",
        "batch_get_resources",
        "check_etag",
        "create_resource",
        "delete_resource",
        "get_resource",
        "list_resources",
        "once",
        "soft_delete_resource",
        "undelete_resource",
        "update_resource",
    ),
    ".watching": ("changes",),
}

if not TYPE_CHECKING:  # a type checker would believe that every name is here

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                found = getattr(import_module(home, __name__), name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
