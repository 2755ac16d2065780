"""What holds for RPCs that stream, on either side.

What a stream means is not in the proto. What is: that its messages arrive, all of them, once, in their order, however
they are sent and read; that it ends; and that whoever goes away leaves nothing running.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from scaffold.contract.checks.every import BROKEN, server_spans
from scaffold.contract.checks.registry import rpc_check
from scaffold.contract.resources import existing
from scaffold.contract.strategies import Style
from scaffold.contract.trial import Undecided

if TYPE_CHECKING:
    from google.protobuf.message import Message as Instance
    from grpc import StatusCode

    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial
    from scaffold.contract.wire import Outcome

_CORE = "gRPC: https://grpc.io/docs/what-is-grpc/core-concepts/#rpc-life-cycle"
_CANCEL = "gRPC: https://grpc.io/docs/guides/cancellation"
_DEADLINE = "gRPC: https://grpc.io/docs/guides/deadlines"

_GARBAGE = b"\xff\xff\xff\xff"  # no tag: a varint that never ends
_PATIENCE = 0.6
_PAUSE = 0.01
_END_SECONDS = 3.0
# A stream that has gone on for so long is one that goes on.
_ENOUGH_SECONDS = 2.0
# How streams are called on which nothing comes until something happens.
_WAITING = re.compile(r"(Watch|Subscribe|Listen|Follow|Tail|Observe|Monitor|Await|Wait|Receive|Pull|Stream)(?![a-z])")
# More than a server of ours, or of grpcio's own making, has threads for streams: calls that stay behind would stop it.
_MANY = 80


def _streams(schema: Schema, rpc: Rpc) -> bool:
    return rpc.streams


def _takes_a_stream(schema: Schema, rpc: Rpc) -> bool:
    return rpc.method.client_streaming


@rpc_check(_CORE, _streams)
def pace_changes_nothing(trial: Trial) -> None:
    """The messages of a stream, their count and their order are the same whether it is sent and read at once or slowly.

    Judged where the same call, made twice at once, is answered twice the same: others depend on more than the request.
    Of a stream that goes on, such as a watch, the messages that come at once are compared.
    """
    rpc = trial.about
    compared = 0
    build = trial.requests(existing(trial))
    requests = build.several(rpc.method.input, rpc.method.client_streaming, Style.PLAIN) | build.several(
        rpc.method.input, rpc.method.client_streaming, Style.ODD
    )

    def judge(messages: tuple[Instance, ...]) -> None:
        nonlocal compared
        quick = [_at_once(trial, messages) for _ in range(2)]
        if not _agree(trial, *quick):
            return
        compared += 1
        for answer_first in (False, True) if rpc.method.client_streaming else (False,):
            slow = _slowly(trial, messages, answer_first=answer_first, goes_on=quick[0].open)
            how = "sent and read in turn" if answer_first else "sent and read slowly"
            if quick[0].open:
                _judge_beginning(trial, quick[0], slow, how)
            elif not slow.open:
                _judge_whole(trial, quick[0], slow, how)

    trial.examples(requests, judge, count=5)
    if not compared:
        raise Undecided("no two calls with the same requests were answered the same")


def _at_once(trial: Trial, messages: tuple[Instance, ...]) -> Outcome:
    """A call that is sent and read as fast as possible; listened to for longer where nothing has come in a moment."""
    outcome = trial.call(trial.about, *(trial.renewed(message) for message in messages))
    if outcome.open and not outcome.responses:
        return trial.call(trial.about, *(trial.renewed(message) for message in messages), patiently=True)
    return outcome


def _agree(trial: Trial, one: Outcome, other: Outcome) -> bool:
    """Whether two calls were answered alike: in full where they ended, by how they began where they did not (a watch)."""
    if one.open and other.open:
        return _begins_alike(trial, one, other)
    return one.open is other.open and _said(trial, one) == _said(trial, other)


def _begins_alike(trial: Trial, one: Outcome, other: Outcome) -> bool:
    """Whether the messages are the same as far as both have come, and there are some."""
    both = list(zip(trial.responses(trial.about, one), trial.responses(trial.about, other), strict=False))
    return bool(both) and all(a == b for a, b in both)


def _judge_beginning(trial: Trial, quick: Outcome, slow: Outcome, how: str) -> None:
    """Of a stream that goes on: as far as both have come, they are the same."""
    if not slow.ok:
        trial.fail(f"{how} the stream ends with {slow.code.name}, at once it goes on")
    if not slow.responses:
        trial.fail(f"{how} there is no message, at once there are {len(quick.responses)}")
    if not _begins_alike(trial, quick, slow):
        trial.fail(f"{how} the messages are others, or in another order")


def _judge_whole(trial: Trial, quick: Outcome, slow: Outcome, how: str) -> None:
    if slow.code is not quick.code:
        trial.fail(f"{how} the stream ends with {slow.code.name}, at once with {quick.code.name}")
    if len(slow.responses) != len(quick.responses):
        trial.fail(f"{how} there are {len(slow.responses)} messages, at once {len(quick.responses)}")
    if _said(trial, slow) != _said(trial, quick):
        trial.fail(f"{how} the messages are others, or in another order")


def _said(trial: Trial, outcome: Outcome) -> tuple[StatusCode, list[Instance]]:
    return outcome.code, trial.responses(trial.about, outcome)


def _slowly(trial: Trial, messages: tuple[Instance, ...], *, answer_first: bool, goes_on: bool) -> Outcome:
    """A call whose messages are sent one by one, waiting for an answer to each where ``answer_first``.

    One that ``goes_on`` is listened to for a first message, and then for a little.
    """
    rpc = trial.about
    sent = tuple(trial.renewed(message) for message in messages)
    with trial.converse(rpc) as talk:
        for message in sent:
            talk.send(message.SerializePartialToString())
            if answer_first:
                talk.receive(5 * _PAUSE)
            else:
                time.sleep(_PAUSE)
        talk.half_close()
        for _ in range(3):
            time.sleep(_PAUSE)
            talk.receive(0)
        if goes_on and not talk.begun:
            talk.receive(trial.subject.timeout)
        return trial.note(rpc, sent, talk.rest(_PATIENCE if goes_on else trial.subject.timeout))


def _is_no_watch(schema: Schema, rpc: Rpc) -> bool:
    return rpc.method.server_streaming and not _WAITING.match(rpc.method.name)


@rpc_check(_CORE, _is_no_watch)
def streams_end_or_go_on(trial: Trial) -> None:
    """A stream that is no watch ends, or goes on: it never falls silent for as long as a call may take.

    What is called Watch, Subscribe, or another word for waiting until something happens, may be silent for hours.
    """
    rpc = trial.about
    patience = trial.subject.timeout
    requests = trial.requests(existing(trial)).several(rpc.method.input, rpc.method.client_streaming, Style.PLAIN)

    def judge(messages: tuple[Instance, ...]) -> None:
        sent = tuple(trial.renewed(message) for message in messages)
        with trial.converse(rpc, timeout=_ENOUGH_SECONDS + 2 * patience) as talk:
            for message in sent:
                talk.send(message.SerializePartialToString())
            talk.half_close()
            begun = time.monotonic()
            while (came := talk.receive(patience)) is not None and time.monotonic() - begun < _ENOUGH_SECONDS:
                pass
            outcome = trial.note(rpc, sent, talk.rest(0.0))
        if came is None and outcome.open:
            after = f"after {len(outcome.responses)} messages " if outcome.responses else ""
            trial.fail(f"{after}there was neither a message nor an end for {patience:g} s")

    trial.examples(requests, judge, count=5, shrink=False)


@rpc_check(_CORE, _takes_a_stream)
def half_close_is_answered(trial: Trial) -> None:
    """When the caller has said all, also when that was nothing, the call ends, or goes on if the server streams."""
    rpc = trial.about
    plain = trial.requests(existing(trial)).message(rpc.method.input, Style.PLAIN)

    def judge(message: Instance) -> None:
        for messages in ((), (message,), (message,) * 3):
            with trial.converse(rpc) as talk:
                for each in messages:
                    talk.send(each.SerializePartialToString())
                talk.half_close()
                streams = rpc.method.server_streaming
                outcome = trial.note(rpc, messages, talk.rest(_PATIENCE if streams else trial.subject.timeout))
            if outcome.code in BROKEN:
                trial.fail(f"a stream of {len(messages)} messages was answered {outcome.code.name}")
            if (outcome.open or outcome.timed_out) and not streams:
                trial.fail(f"a stream of {len(messages)} messages, and its end, was not answered")
            if outcome.ok and not streams and len(outcome.responses) != 1:
                trial.fail(f"a stream of {len(messages)} messages was answered with {len(outcome.responses)}")

    trial.examples(plain, judge, count=2, shrink=False)


@rpc_check(_CORE, _takes_a_stream)
def garbage_ends_the_stream(trial: Trial) -> None:
    """Bytes that are no message end the call with an error: not OK, as if the stream had been complete.

    A call that is over before it comes to the garbage says nothing.
    """
    rpc = trial.about
    plain = trial.requests(existing(trial)).message(rpc.method.input, Style.PLAIN)
    reached = 0

    def judge(message: Instance) -> None:
        nonlocal reached
        with trial.converse(rpc) as talk:
            talk.send(message.SerializePartialToString())
            time.sleep(_PAUSE)
            early = talk.rest(10 * _PAUSE)
            if not early.open:
                trial.note(rpc, (message,), early)
                return
            reached += 1
            talk.send(_GARBAGE)
            talk.half_close()
            outcome = trial.note(rpc, (message,), talk.rest(trial.subject.timeout))
        if outcome.open or outcome.timed_out:
            trial.fail("after a message that is garbage the call did not end")
        if outcome.ok:
            trial.fail("a stream with a message that is garbage was answered OK, as if it had ended before")

    trial.examples(plain, judge, count=2, shrink=False)
    if not reached:
        raise Undecided("every call was over before its second message")


@rpc_check(_CANCEL, _streams)
def cancelling_frees_the_server(trial: Trial) -> None:
    """Calls that are cancelled, at once or on the way, leave nothing behind: the server goes on answering."""
    rpc = trial.about
    before = _one_call(trial)
    message = _plain(trial)
    for number in range(_MANY):
        with trial.converse(rpc) as talk:
            if number % 10:  # the others are given up before they have begun
                talk.send(message.SerializePartialToString())
                if not rpc.method.client_streaming:
                    talk.half_close()
                talk.receive(_PAUSE)
                time.sleep(_PAUSE / 4)
            talk.cancel()
    until = time.monotonic() + _END_SECONDS
    after = _one_call(trial)
    while after.code is not before.code and time.monotonic() < until:
        time.sleep(10 * _PAUSE)
        after = _one_call(trial)
    if after.timed_out or after.code is not before.code:
        trial.fail(
            f"after {_MANY} calls that were cancelled the answer is {after.code.name}, before {before.code.name}"
        )


@rpc_check(_CANCEL, _streams, needs_spans=True)
def cancelling_ends_the_work(trial: Trial) -> None:
    """The handler of a call that is cancelled comes to its end: its span is finished within seconds."""
    _ends(trial, cancel=True)


@rpc_check(_DEADLINE, _streams, needs_spans=True)
def the_deadline_ends_the_work(trial: Trial) -> None:
    """The server sees that a deadline is over: the handler comes to its end, its span is finished within seconds."""
    _ends(trial, cancel=False)


def _ends(trial: Trial, *, cancel: bool) -> None:
    """Leave a call that has begun, and wait for the end of its handler."""
    rpc = trial.about
    message = _plain(trial)
    trace = trial.fresh_trace()
    with trial.converse(rpc, trace, timeout=None if cancel else 0.5) as talk:
        talk.send(message.SerializePartialToString())
        if not rpc.method.client_streaming:
            talk.half_close()
        talk.receive(0.3)
        if cancel:
            time.sleep(2 * _PAUSE)  # for the handler to be at work again
            talk.cancel()
        outcome = trial.note(rpc, (message,), talk.rest(1.0))
        if not server_spans(trial, trace[0], _END_SECONDS):
            why = "was cancelled" if cancel else f"ended with {outcome.code.name} at its deadline"
            trial.fail(
                f"{_END_SECONDS:g} s after the call {why} its handler is still at work: there is no finished span"
            )


def _one_call(trial: Trial) -> Outcome:
    """An ordinary call, to see that there is an answer."""
    rpc = trial.about
    message = _plain(trial)
    with trial.converse(rpc) as talk:
        talk.send(message.SerializePartialToString())
        talk.half_close()
        talk.receive(2.0)
        patience = _PATIENCE if rpc.method.server_streaming else trial.subject.timeout
        return trial.note(rpc, (message,), talk.rest(patience))


def _plain(trial: Trial) -> Instance:
    """A request of a well-meaning caller: the simplest that is drawn."""
    found: list[Instance] = []
    requests = trial.requests(existing(trial)).message(trial.about.method.input, Style.PLAIN)
    trial.examples(requests, found.append, count=1)
    return found[0]
