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
    """It fails as providers may, or as programs do; and counts how often it is asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__({})
        self.error = error
        self.asked = 0

    def resolve_string_details(self, *arguments: object, **options: object) -> FlagResolutionDetails[str]:
        self.asked += 1
        raise self.error


@pytest.fixture(autouse=True)
def cleared() -> Iterator[None]:
    yield
    api.clear_providers()


def flags(**texts: str) -> InMemoryProvider:
    return InMemoryProvider({name.replace("__", "."): InMemoryFlag("on", {"on": text}) for name, text in texts.items()})


def router() -> tuple[Router, OpenFeatureFlags]:
    """A router, and its flags: they are asked for by the first call, and when the test says so."""
    found = OpenFeatureFlags(api.get_client(), TABLE, seconds=3600)
    return Router(TABLE, found, reachable=lambda: True), found


def test_a_flag_for_a_method_and_one_for_the_rest() -> None:
    api.set_provider(flags(cart="percent:12.5", cart__GetCart="service"))
    seam, _ = router()
    assert (seam.mode("GetCart"), seam.mode("AddItem")) == (SERVICE, Mode("percent", 12.5))


@pytest.mark.parametrize("error", [GeneralError("the flag service is down"), RuntimeError("a bug of its")], ids=str)
def test_a_provider_that_fails_changes_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    api.set_provider(flags(cart="service"))
    seam, asked = router()
    assert seam.mode("GetCart") == SERVICE
    broken = _Broken(error)
    api.set_provider(broken)
    for _ in range(3):
        asked.refresh()
    assert [seam.mode("GetCart") for _ in range(50)] == [SERVICE] * 50
    assert broken.asked == 3 * len(TABLE.rpcs), "by each round, and by no call"
    assert [r.name for r in caplog.records if r.name.startswith("runtime.acl")] == ["runtime.acl.seam"], "said once"
    new, _ = router()
    assert new.mode("GetCart") == MONOLITH, "who starts now knows nothing, and the monolith answers"
    api.set_provider(flags(cart="monolith"))
    asked.refresh()
    assert seam.mode("GetCart") == MONOLITH


def test_without_a_provider_the_monolith_answers() -> None:
    assert router()[0].mode("GetCart") == MONOLITH
