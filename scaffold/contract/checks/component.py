"""What holds for a component as a whole."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2

from scaffold.contract.checks.registry import component_check
from scaffold.contract.schema import Rpc
from scaffold.contract.trial import Pending, Trial, Unanswered
from scaffold.core.api import Method
from scaffold.core.shapes import CUSTOM

_HEALTH = "grpc.health.v1.Health"
_CHECK = Rpc(_HEALTH, Method(f"{_HEALTH}.Check", "", ""), CUSTOM, "Health.Check")


@component_check("gRPC: https://grpc.io/docs/guides/status-codes (UNIMPLEMENTED)")
def handlers(trial: Trial) -> None:
    """Every RPC of the API is registered: UNIMPLEMENTED is only for a handler that is not written, and says so.

    Each RPC gets one empty request; what it answers, if it is not that, is for the other checks.
    """
    missing = []
    for rpc in trial.schema.rpcs:
        requests = () if rpc.method.client_streaming else (trial.schema.new(rpc.method.input),)
        try:
            outcome = trial.call(rpc, *requests)
        except (Pending, Unanswered):
            continue
        if outcome.code is grpc.StatusCode.UNIMPLEMENTED:
            missing.append(rpc.label)
    if missing:
        trial.exchanges[:] = [e for e in trial.exchanges if e.rpc.label in missing]
        trial.fail(f"UNIMPLEMENTED without the reason HANDLER_PENDING: {', '.join(missing)}")


@component_check("gRPC health checking: https://github.com/grpc/grpc/blob/master/doc/health-checking.md")
def health(trial: Trial) -> None:
    """The health service says SERVING, of the server as a whole and of every service by its full name."""
    caller = trial.subject.connect()
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", *trial.schema.services):
        request = health_pb2.HealthCheckRequest(service=service)
        outcome = caller.call(_CHECK, [request.SerializeToString()])
        whom = f'"{service}"' if service else "the server as a whole"
        if not outcome.ok:
            trial.fail(f"the health of {whom} is not known: {outcome.code.name}: {outcome.message}")
        status = health_pb2.HealthCheckResponse.FromString(outcome.responses[0]).status
        if status != serving:
            trial.fail(f"{whom} is {health_pb2.HealthCheckResponse.ServingStatus.Name(status)}, not SERVING")
