"""One check being carried out: it makes requests, calls, and comes to a verdict.

A check is a function of a :class:`Trial`. It passes by returning. :class:`Violation` is a broken law; Hypothesis then
looks for the smallest request that breaks it. The other ways to end are no failures and nothing to shrink, so they are
not ``Exception`` and pass through Hypothesis: :class:`Pending`, :class:`Undecided` and :class:`Unanswered`.
"""

from __future__ import annotations

import hashlib
import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

from scaffold.contract.plan import DEFAULT_EXAMPLES
from scaffold.contract.schema import text
from scaffold.contract.strategies import Requests
from scaffold.contract.wire import CALL_SECONDS, Caller, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import grpc
    from google.protobuf.message import Message as Instance
    from hypothesis.strategies import SearchStrategy

    from scaffold.contract.conversation import Conversation
    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.targets import Launcher, Span
    from scaffold.contract.wire import Metadata

T = TypeVar("T")

# A check of a slow RPC sees fewer examples, rather than making everybody wait.
_JUDGE_SECONDS = 3.0
_SHRINK_SECONDS = 5.0
_SHOWN_EXCHANGES = 8


@dataclass(frozen=True)
class Exchange:
    """A call that a check made, for the report."""

    rpc: Rpc
    requests: tuple[Instance, ...]
    outcome: Outcome

    def __str__(self) -> str:
        kind = self.rpc.method.input
        shown = [f"{kind} {{{_block(text(message))}}}" for message in self.requests] or [f"no {kind}"]
        return "\n".join([f"{self.rpc.label} <- {sent}" for sent in shown] + [f"{self.rpc.label} -> {self._answer()}"])

    def _answer(self) -> str:
        outcome = self.outcome
        if outcome.ok:
            count = f", {len(outcome.responses)} messages" if self.rpc.method.server_streaming else ""
            return f"OK{count}"
        reasons = ", ".join(f"{info.reason} of {info.domain}" for info in outcome.error_infos)
        return f"{outcome.code.name}: {outcome.message}{f' ({reasons})' if reasons else ''}"


def _block(lines: str) -> str:
    return f"\n  {lines.strip().replace(chr(10), chr(10) + '  ')}\n" if lines.strip() else ""


def traceparent(trace_id: str, parent_id: str) -> Metadata:
    """The header by which a caller hands on its sampled trace (https://www.w3.org/TR/trace-context)."""
    return (("traceparent", f"00-{trace_id}-{parent_id}-01"),)


class Violation(Exception):  # noqa: N818  It is a finding about the component, no error of this program.
    """A law is broken: what was expected, what happened, and the calls that show it."""

    def __init__(self, message: str, exchanges: Sequence[Exchange] = ()) -> None:
        super().__init__(message)
        self.exchanges = tuple(exchanges)

    @property
    def account(self) -> str:
        """What happened, then the calls in their order (the last ones, where there are many)."""
        shown = self.exchanges[-_SHOWN_EXCHANGES:]
        left_out = len(self.exchanges) - len(shown)
        lines = [f"({left_out} calls before these)"] if left_out else []
        return "\n".join([str(self), "", *lines, *map(str, shown)]).rstrip()


class Ending(BaseException):
    """Ends a check without a verdict that a smaller request could make clearer."""


class Pending(Ending):
    """A handler that the check needs is not written yet."""


class Undecided(Ending):
    """The check could not be carried out: the message says why. Neither passed nor failed."""


class Unanswered(Ending):
    """A call did not answer in time. A failure; shrinking it would wait again and again."""

    def __init__(self, message: str, exchanges: Sequence[Exchange] = ()) -> None:
        super().__init__(message)
        self.violation = Violation(message, exchanges)


class _Enough(Ending):
    """No more examples: the time for looking, or for shrinking what was found, is over."""


@dataclass(repr=False)  # Hypothesis asks for it, and everything is in it
class Subject:
    """A component under test, and what is learnt about it on the way; lives as long as the session."""

    name: str
    schema: Schema
    launcher: Launcher
    metadata: Metadata = ()
    uses: tuple[str, ...] = ()
    siblings: Mapping[str, Subject] = field(default_factory=dict)
    timeout: float = CALL_SECONDS
    caller: Caller | None = None
    pending: dict[str, str] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    accepted: dict[str, Instance] = field(default_factory=dict)
    minted: int = 0

    def connect(self) -> Caller:
        """The connection to the running component, which is started for it. Raises TargetError."""
        if self.caller is None:
            self.caller = Caller(self.launcher.open(self.name).address, self.metadata, self.timeout)
        return self.caller

    def spans(self, trace_id: str) -> tuple[Span, ...]:
        """The finished spans of a trace in this component."""
        return self.launcher.open(self.name).spans(trace_id)

    def pending_in(self, trace_id: str) -> str | None:
        """A handler that a trace has asked this component for and that is not written yet, if there is one."""
        called = {span.name for span in self.spans(trace_id) if span.kind == "SERVER"}
        for rpc in self.schema.rpcs:
            if rpc.path.removeprefix("/") not in called:
                continue
            if rpc.label not in self.pending:
                outcome = self.connect().call(rpc, () if rpc.method.client_streaming else (b"",))
                if outcome.pending is None:
                    continue
                self.pending[rpc.label] = f"{rpc.label}: write {outcome.pending}"
            return self.pending[rpc.label]
        return None

    def mint(self) -> str:
        """64 hex digits that nobody has seen before."""
        self.minted += 1
        return hashlib.sha256(f"{self.launcher.salt}/{self.name}/{self.minted}".encode()).hexdigest()

    def close(self) -> None:
        """Close the connection; the launcher stops the component."""
        if self.caller is not None:
            self.caller.close()


@dataclass(repr=False)
class Trial:
    """One case: a check of one RPC (None for a check of the whole component), with its share of chance.

    ``case`` and ``seed`` decide which examples are drawn, ``count`` how many. ``exchanges`` are the calls made so far,
    or since the last example began.
    """

    subject: Subject
    rpc: Rpc | None
    case: str
    seed: int = 0
    count: int = DEFAULT_EXAMPLES
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def schema(self) -> Schema:
        """The component's API."""
        return self.subject.schema

    @property
    def about(self) -> Rpc:
        """The RPC that the check is about."""
        assert self.rpc is not None, f"{self.case} is about the component, not about one RPC"
        return self.rpc

    def requests(self, existing: Mapping[str, Sequence[str]] | None = None) -> Requests:
        """Strategies for this API's messages."""
        return Requests(self.schema, existing or {})

    def fresh_id(self) -> str:
        """An identifier that was not used before: a letter, then letters and digits."""
        return f"c{self.subject.mint()[:11]}"

    def fresh_trace(self) -> tuple[str, str]:
        """A trace id and a parent span id that were not used before, in hex."""
        minted = self.subject.mint()
        return minted[:32], minted[32:48]

    def renewed(self, request: Instance) -> Instance:
        """A request with a ``request_id`` of its own, where it has one: another request may have used it (AIP-155)."""
        renewed: Any = type(request)()
        renewed.CopyFrom(request)
        if "request_id" in request.DESCRIPTOR.fields_by_name and renewed.request_id:
            renewed.request_id = self.fresh_id()
        result: Instance = renewed
        return result

    def call(self, rpc: Rpc, *requests: Instance, metadata: Metadata = (), patiently: bool = False) -> Outcome:
        """Call an RPC and note it. Raises Pending for a handler that is not written, Unanswered when time is up."""
        if rpc.label in self.subject.pending:
            raise Pending(self.subject.pending[rpc.label])
        if rpc.label in self.subject.unanswered:
            raise Undecided(f"{rpc.label} did not answer an earlier call")
        caller = self.subject.connect()
        trace_id, parent_id = self.fresh_trace()
        headers = metadata or (traceparent(trace_id, parent_id) if self.subject.uses else ())
        outcome = caller.call(rpc, [r.SerializePartialToString() for r in requests], headers, patiently=patiently)
        self.exchanges.append(Exchange(rpc, requests, outcome))
        pending = self._pending(rpc, outcome, trace_id)
        if pending is not None:
            self.subject.pending[rpc.label] = pending
            raise Pending(pending)
        if outcome.timed_out:
            self.subject.unanswered.add(rpc.label)
            raise Unanswered(f"no answer within {caller.timeout:g} s", self.exchanges)
        return outcome

    def converse(self, rpc: Rpc, trace: tuple[str, str] | None = None, timeout: float | None = None) -> Conversation:
        """Begin a call that goes on message by message; :meth:`note` it when it is over.

        ``trace`` are the ids by which its spans are found. Raises Pending for a handler that is known not to be written.
        """
        if rpc.label in self.subject.pending:
            raise Pending(self.subject.pending[rpc.label])
        if rpc.label in self.subject.unanswered:
            raise Undecided(f"{rpc.label} did not answer an earlier call")
        return self.subject.connect().converse(rpc, traceparent(*(trace or self.fresh_trace())), timeout)

    def note(self, rpc: Rpc, requests: tuple[Instance, ...], outcome: Outcome) -> Outcome:
        """Add a call to those that a failure shows. Raises Pending for a handler that is not written."""
        self.exchanges.append(Exchange(rpc, requests, outcome))
        pending = self._pending(rpc, outcome, "")
        if pending is not None:
            self.subject.pending[rpc.label] = pending
            raise Pending(pending)
        return outcome

    def _pending(self, rpc: Rpc, outcome: Outcome, trace_id: str) -> str | None:
        """What is to be written before this RPC can be judged: its own handler, or one that it called elsewhere."""
        if outcome.pending is not None:
            return f"{rpc.label}: write {outcome.pending}"
        behind = self.subject.siblings.get(outcome.failed_downstream)
        missing = behind.pending_in(trace_id) if behind is not None else None
        return f"{rpc.label} waits for {missing}" if missing else None

    def responses(self, rpc: Rpc, outcome: Outcome) -> list[Instance]:
        """The responses of a call. Fails the check when the bytes are none of the declared type."""
        kind = self.schema.message_class(rpc.method.output)
        try:
            return [kind.FromString(data) for data in outcome.responses]
        except DecodeError as error:
            self.fail(f"the response is not a valid {rpc.method.output}: {error}")

    def response(self, rpc: Rpc, outcome: Outcome) -> Instance:
        """The response of a unary call. Fails the check when there is not exactly one."""
        responses = self.responses(rpc, outcome)
        if len(responses) != 1:
            self.fail(f"{rpc.label} answered with {len(responses)} messages instead of one")
        return responses[0]

    def fail(self, message: str) -> NoReturn:
        """The law is broken."""
        raise Violation(message, self.exchanges)

    def expect(self, outcome: Outcome, *codes: grpc.StatusCode, why: str) -> None:
        """Fail unless the call ended with one of these statuses."""
        if outcome.code not in codes:
            wanted = " or ".join(code.name for code in codes)
            self.fail(f"{why} must be {wanted}, and was {outcome.code.name}")

    def examples(
        self,
        strategy: SearchStrategy[T],
        judge: Callable[[T], None],
        *,
        count: int | None = None,
        shrink: bool = True,
    ) -> None:
        """Judge drawn values until one is a Violation, which is then shrunk and raised.

        The same seed, case and component give the same values; only how many there is time for depends on the machine.
        """
        found: list[Violation] = []
        until = time.monotonic() + _JUDGE_SECONDS

        def example(value: T) -> None:
            nonlocal until
            if time.monotonic() > until:
                raise _Enough
            self.exchanges.clear()
            try:
                judge(value)
            except Violation as violation:
                if not found:
                    until = time.monotonic() + _SHRINK_SECONDS * shrink
                found.append(violation)
                raise

        try:
            _run(strategy, example, self._chance(), count or self.count)
        except _Enough:
            if found:
                raise found[-1] from None
        except Exception:
            # Hypothesis's own words about it (a test that does not fail the second time, say) help nobody here.
            if not found:
                raise
            raise found[-1] from None

    def _chance(self) -> int:
        digest = hashlib.sha256(f"{self.seed}/{self.subject.name}/{self.case}".encode()).digest()
        return int.from_bytes(digest[:8], "big")


_ALL_HEALTH_CHECKS = tuple(HealthCheck)


def _run(strategy: SearchStrategy[T], example: Callable[[T], None], chance: int, count: int) -> None:
    """Hypothesis without its surroundings: no database, no deadline, nothing printed, nothing from the environment."""
    configured = settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=_ALL_HEALTH_CHECKS,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        print_blob=False,
    )
    # Hypothesis spends five of six examples on variations of one, copying parts of it to other places. With the few
    # examples that there is time for here, new ones find more. It leaves the parts of a unique collection alone.
    alone = st.lists(strategy, min_size=1, max_size=1, unique_by=id)
    _use_no_constants_of_local_modules()
    run = seed(chance)(configured(given(alone)(lambda values: example(values[0]))))
    with warnings.catch_warnings():
        # It takes what servers of this process do with `random` meanwhile for something that a strategy does.
        warnings.simplefilter("ignore", HypothesisWarning)
        run()


def _use_no_constants_of_local_modules() -> None:
    """Keep Hypothesis from mixing constants of imported local modules into what it draws.

    It would make the examples depend on which other components happen to be loaded, so a replay of one test would draw
    others; and parsing those modules takes time and writes a cache. There is no setting for it (6.170).
    """
    providers: Any = sys.modules.get("hypothesis.internal.conjecture.providers")
    if hasattr(providers, "_get_local_constants"):
        nothing = providers._local_constants
        providers._get_local_constants = lambda: nothing
