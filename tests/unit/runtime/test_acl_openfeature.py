"""The seam on the real OpenFeature SDK: its client, a provider that is asked, and one that fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openfeature import api
from openfeature.exception import GeneralError
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from runtime.acl.calls import Rpc, Table
from runtime.acl.seam import MONOLITH, SERVICE, Mode, OpenFeatureFlags, Router

GET = Rpc("shop.v1.Carts", "GetCart", "get_cart", "Request", "Cart", entity="name")
ADD = Rpc("shop.v1.Carts", "AddItem", "add_item", "Request", "Cart", entity="cart")
TABLE = Table("cart", (GET, ADD))


class _Broken(InMemoryProvider):
    def resolve_string_details(self, *arguments: object, **options: object) -> FlagResolutionDetails[str]:
        raise GeneralError("the flag service is down")


@pytest.fixture(autouse=True)
def cleared() -> Iterator[None]:
    yield
    api.clear_providers()


def flags(**texts: str) -> InMemoryProvider:
    return InMemoryProvider({name.replace("__", "."): InMemoryFlag("on", {"on": text}) for name, text in texts.items()})


def router() -> Router:
    return Router(TABLE, OpenFeatureFlags(api.get_client(), TABLE, seconds=0), reachable=lambda: True)


def test_a_flag_for_a_method_and_one_for_the_rest() -> None:
    api.set_provider(flags(cart="percent:12.5", cart__GetCart="service"))
    seam = router()
    assert (seam.mode("GetCart"), seam.mode("AddItem")) == (SERVICE, Mode("percent", 12.5))


def test_a_provider_that_fails_changes_nothing() -> None:
    api.set_provider(flags(cart="service"))
    seam = router()
    assert seam.mode("GetCart") == SERVICE
    api.set_provider(_Broken({}))
    assert seam.mode("GetCart") == SERVICE
    assert router().mode("GetCart") == MONOLITH, "who starts now knows nothing, and the monolith answers"
    api.set_provider(flags(cart="monolith"))
    assert seam.mode("GetCart") == MONOLITH


def test_without_a_provider_the_monolith_answers() -> None:
    assert router().mode("GetCart") == MONOLITH
