"""Who listens."""

from sqlalchemy import event

from shop.store.orders import LogEntry, Order


@event.listens_for(Order, "after_insert")
def write_entry(mapper, connection, order):
    """Every order is written down."""
    connection.execute(LogEntry.__table__.insert().values(order_number=order.number, what="placed"))
