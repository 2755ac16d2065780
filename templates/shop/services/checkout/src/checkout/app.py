"""How checkout is put together. Yours: the place for authentication, tenancy, vendors and options."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from checkout.gen.clients import cart, catalog, orders
from checkout.gen.runtime import Call, Interceptor, Settings
from checkout.gen.vendors import Payments


@dataclass(frozen=True)
class App:
    """What handlers work with, as `context.app`."""

    cart: cart.Client
    catalog: catalog.Client
    orders: orders.Client
    payments: Payments
    payments_key: str = field(repr=False)


Context = Call[App]


def build(settings: Settings) -> App:
    """Open what the handlers need; called once, before serving."""
    connect = settings.connect  # address and time-outs from the environment
    return App(
        cart=connect(cart.Client),
        catalog=connect(catalog.Client),
        orders=connect(orders.Client),
        payments=Payments(settings),
        payments_key=settings.secret("PAYMENTS_KEY"),
    )


def interceptors(settings: Settings) -> Sequence[Interceptor]:
    """Server interceptors, outermost first: authentication, tenancy, limits."""
    return ()
