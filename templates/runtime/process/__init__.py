"""The runtime of a business process: an asyncio server, clients of the components it uses, and vendors.

Everything that handlers, ``app.py`` and tests of a process need is importable from here.
"""

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
