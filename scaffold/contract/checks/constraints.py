"""What the constraints of an API promise (protovalidate)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpc import StatusCode
from hypothesis import strategies as st

from scaffold.contract.checks.behaviors import expect_field
from scaffold.contract.checks.registry import rpc_check
from scaffold.contract.resources import existing
from scaffold.contract.strategies import Style
from scaffold.contract.trial import Undecided
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Instance

    from scaffold.contract.rules import Broken
    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial

_RULES = "protovalidate: https://protovalidate.com/schemas/standard-rules"
_BASES = 4
_STYLES = st.sampled_from((Style.PLAIN, Style.ODD, Style.EDGES))


def _request_has_rules(schema: Schema, rpc: Rpc) -> bool:
    return schema.rules is not None and schema.rules.concern(rpc.method.input)


def _response_has_rules(schema: Schema, rpc: Rpc) -> bool:
    return schema.rules is not None and schema.rules.concern(rpc.method.output)


@rpc_check(_RULES, _request_has_rules)
def broken_constraints_are_refused(trial: Trial) -> None:
    """A request that breaks one constraint, and is valid otherwise, is INVALID_ARGUMENT with a BadRequest naming the field.

    Each rule that can be broken alone is; after shrinking, that it is broken and alone is seen anew.
    """
    rpc, rules = trial.about, trial.schema.rules
    assert rules is not None, "the check exists only where there are rules"
    requests = trial.requests(existing(trial))
    valid = _STYLES.flatmap(lambda style: requests.message(rpc.method.input, style))
    tried = 0

    def judge(request: Instance) -> None:
        nonlocal tried
        if rules.broken(request):
            return
        for broken, changed in rules.singly(request):
            if rpc.shape.kind is Kind.UPDATE and rpc.shape.mask:
                _mask(changed, rpc, broken)
            tried += 1
            del trial.exchanges[:]
            outcome = trial.call(rpc, changed)
            trial.expect(outcome, StatusCode.INVALID_ARGUMENT, why=f"a request in which {broken}")
            if broken.path:
                expect_field(trial, outcome, broken.path[-1].name, f"a request in which {broken}")

    trial.examples(valid, judge, count=_BASES)
    if not tried:
        raise Undecided(f"nothing was found that breaks exactly one constraint of {rpc.method.input}")


def _mask(request: Any, rpc: Rpc, broken: Broken) -> None:
    """Name in the mask what breaks the rule: the rest of the resource is not meant (AIP-134)."""
    mask = getattr(request, rpc.shape.mask)
    del mask.paths[:]
    if len(broken.path) > 1 and broken.path[0].name == rpc.shape.body:
        mask.paths.append(broken.path[1].name)


@rpc_check(_RULES, _response_has_rules)
def responses_keep_constraints(trial: Trial) -> None:
    """What is answered keeps the constraints of the API, too."""
    rpc, rules = trial.about, trial.schema.rules
    assert rules is not None, "the check exists only where there are rules"
    requests = trial.requests(existing(trial)).several(rpc.method.input, rpc.method.client_streaming)
    answered = 0

    def judge(messages: tuple[Instance, ...]) -> None:
        nonlocal answered
        outcome = trial.call(rpc, *messages)
        for response in trial.responses(rpc, outcome):
            answered += 1
            found = rules.broken(response)
            if found:
                trial.fail(f"in the response {found[0]}")

    trial.examples(requests, judge)
    if not answered:
        raise Undecided("nothing was answered")
