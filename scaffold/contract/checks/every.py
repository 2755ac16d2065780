"""What holds for every RPC, of all four kinds."""

from __future__ import annotations

import re
from time import monotonic, sleep
from typing import TYPE_CHECKING

import grpc

from scaffold.contract.checks.registry import rpc_check
from scaffold.contract.resources import existing
from scaffold.contract.strategies import Style
from scaffold.contract.trial import Undecided, traceparent

if TYPE_CHECKING:
    from google.protobuf.message import Message as Instance

    from scaffold.contract.targets import Span
    from scaffold.contract.trial import Trial
    from scaffold.contract.wire import Outcome

_AIP_193 = "AIP-193 (https://google.aip.dev/193)"
_CODES = "gRPC: https://grpc.io/docs/guides/status-codes"
_PROTOBUF = "protobuf: https://protobuf.dev/programming-guides/proto3/#unknowns"
_W3C = "W3C Trace Context: https://www.w3.org/TR/trace-context"

# Statuses that say "broken here". Nothing that a caller is allowed to send may lead to them.
BROKEN = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNIMPLEMENTED)

# Statuses by which a server could refuse a request because of what it does not understand in it. The others depend on
# time and state, so comparing two calls by them would prove nothing.
_REFUSALS = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.DATA_LOSS,
)

# google/rpc/error_details.proto, ErrorInfo.reason: at most 63 characters of this form.
_REASON = re.compile(r"[A-Z][A-Z0-9_]+[A-Z0-9]\Z")

# What an exception looks like when its text gets out: of Python, of grpcio (which sends it by default), of databases.
_LEAK = re.compile(
    r"Traceback \(most recent call last\)|Exception calling application|Unexpected <class|Exception iterating responses"
    r"|\b[A-Za-z_.]*[a-z](?:Error|Exception)\b\s*[:(]|\bFile \"[^\"]+\", line \d+|<[\w.]+ object at 0x"
    r"|\bNoneType\b|\bsqlite3\.|\bsqlalchemy\.|\bpsycopg|\[SQL:"
)


@rpc_check(_CODES)
def answers_valid_requests(trial: Trial) -> None:
    """A request that the proto allows is never answered UNKNOWN or INTERNAL, nor left without an answer.

    Refusing it with another status is fine: business rules are not in the proto. What comes back must be of the
    declared type.
    """
    rpc = trial.about
    requests = trial.requests(existing(trial)).several(rpc.method.input, rpc.method.client_streaming)

    def judge(messages: tuple[Instance, ...]) -> None:
        outcome = trial.call(rpc, *messages)
        if outcome.code in BROKEN:
            trial.fail(f"a valid request was answered {outcome.code.name}")
        if outcome.ok and not rpc.method.server_streaming:
            trial.response(rpc, outcome)
        else:
            trial.responses(rpc, outcome)

    trial.examples(requests, judge, count=2 * trial.count)


@rpc_check(_PROTOBUF)
def tolerates_unknown_fields(trial: Trial) -> None:
    """Fields that the server does not know yet change nothing: a newer client may call an older server.

    A request with them that is refused is sent again without them: the answer must be the same status.
    """
    rpc = trial.about
    requests = trial.requests(existing(trial)).with_unknown_fields(rpc.method.input, rpc.method.client_streaming)

    def judge(messages: tuple[Instance, ...]) -> None:
        newer = trial.call(rpc, *(trial.renewed(message) for message in messages))
        if newer.code not in _REFUSALS:
            return
        known = tuple(trial.renewed(_without_unknown_fields(message)) for message in messages)
        older = trial.call(rpc, *known)
        if older.code is not newer.code:
            trial.fail(f"with unknown fields the answer is {newer.code.name}, without them {older.code.name}")

    trial.examples(requests, judge)


@rpc_check(_AIP_193)
def explains_errors(trial: Trial) -> None:
    """An error carries exactly one ErrorInfo, with a reason and a domain, and never the text of an exception.

    Asked with requests of every sort, also such as leave out what is required.
    """
    rpc = trial.about
    refused = 0
    build = trial.requests(existing(trial))
    loose = build.several(rpc.method.input, rpc.method.client_streaming, Style.LOOSE)
    requests = loose | build.several(rpc.method.input, rpc.method.client_streaming)

    def judge(messages: tuple[Instance, ...]) -> None:
        nonlocal refused
        outcome = trial.call(rpc, *messages)
        if not outcome.ok:
            refused += 1
            problem = _problem_of(outcome)
            if problem:
                trial.fail(problem)

    trial.examples(requests, judge)
    if not refused:
        raise Undecided("no request was refused, so there was no error to look at")


def _problem_of(outcome: Outcome) -> str | None:
    """What is wrong with an error, or None."""
    texts = [outcome.message, outcome.details.message if outcome.details else ""]
    texts += [value for info in outcome.error_infos for value in info.metadata.values()]
    leaked = next((found for found in map(_LEAK.search, texts) if found), None)
    if leaked:
        return f"the error shows the caller something of an exception: {leaked.group()!r}"
    infos = outcome.error_infos
    if len(infos) != 1:
        return f"the error carries {len(infos) or 'no'} ErrorInfo in grpc-status-details-bin, not exactly one"
    if outcome.details is not None and outcome.details.code != outcome.code.value[0]:
        return f"grpc-status-details-bin says code {outcome.details.code}, the status {outcome.code.value[0]}"
    if len(infos[0].reason) > 63 or not _REASON.match(infos[0].reason):
        return f"the reason {infos[0].reason!r} is not UPPER_SNAKE_CASE of at most 63 characters"
    return None if infos[0].domain else f"the ErrorInfo with the reason {infos[0].reason} has no domain"


@rpc_check(_W3C, needs_spans=True)
def continues_the_trace(trial: Trial) -> None:
    """The traceparent of a call is the parent of the server's span, which is in the same trace."""
    rpc = trial.about

    def judge(messages: tuple[Instance, ...]) -> None:
        trace_id, parent_id = trial.fresh_trace()
        trial.call(rpc, *messages, metadata=traceparent(trace_id, parent_id), patiently=True)
        served = server_spans(trial, trace_id)
        if not served:
            trial.fail(f"no SERVER span in the caller's trace {trace_id}")
        if all(span.parent_id != parent_id for span in served):
            trial.fail(f"the SERVER span's parent is {served[0].parent_id or 'missing'}, the caller's span {parent_id}")

    messages = trial.requests().several(rpc.method.input, rpc.method.client_streaming)
    trial.examples(messages, judge, count=1 if rpc.method.server_streaming else 3, shrink=False)


_SPAN_SECONDS = 1.0


def server_spans(trial: Trial, trace_id: str, seconds: float = _SPAN_SECONDS) -> tuple[Span, ...]:
    """The SERVER spans of a trace, as soon as there are any. A span ends a moment after the caller has its answer."""
    until = monotonic() + seconds
    while True:
        found = tuple(span for span in trial.subject.spans(trace_id) if span.kind == "SERVER")
        if found or monotonic() > until:
            return found
        sleep(0.002)


def _without_unknown_fields(message: Instance) -> Instance:
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known
