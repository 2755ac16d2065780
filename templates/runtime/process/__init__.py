"""What a process is made of, for its handlers, its ``app.py``, its tests and the generated code around them.

Names are imported from their modules when they are first used: a unit test of a handler needs neither a gRPC server nor
settings, and a process without vendors no HTTP client.
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
    from .client import Connection, Requests, ServiceClient
    from .server import Component, Interceptor, run, start
    from .settings import Settings
    from .sync import SyncConnection, SyncServiceClient
    from .vendor import Vendor

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Call",
    "Cancelled",
    "Component",
    "Connection",
    "DataLoss",
    "DeadlineExceeded",
    "FailedPrecondition",
    "HandlerPending",
    "Interceptor",
    "Internal",
    "InvalidArgument",
    "MissingHandlers",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "Requests",
    "ResourceExhausted",
    "ResourceName",
    "Rpc",
    "Running",
    "Service",
    "ServiceClient",
    "Settings",
    "SettingsError",
    "StartError",
    "StatusError",
    "SyncConnection",
    "SyncServiceClient",
    "Tracing",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unknown",
    "Vendor",
    "new_id",
    "require",
    "run",
    "start",
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
    ".client": (
        "Connection",
        "Requests",
        "ServiceClient",
    ),
    ".server": (
        "Component",
        "Interceptor",
        "run",
        "start",
    ),
    ".settings": ("Settings",),
    ".sync": (
        "SyncConnection",
        "SyncServiceClient",
    ),
    ".vendor": ("Vendor",),
}

if not TYPE_CHECKING:  # a type checker would believe that every name is here

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                found = getattr(import_module(home, __name__), name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
