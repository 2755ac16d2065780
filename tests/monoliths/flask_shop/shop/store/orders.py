"""What was bought."""

import enum
from datetime import datetime

from sqlalchemy import Column, DateTime, Enum, ForeignKey, Integer, Numeric, String, Table
from sqlalchemy.orm import relationship

from shop.db import Base
from shop.store.carts import Cart


class OrderState(enum.Enum):
    NEW = "new"
    PAID = "paid"
    CANCELLED = "cancelled"


class Order(Base):
    __tablename__ = "order"

    id = Column(Integer, primary_key=True)
    number = Column(String(63), unique=True, nullable=False)
    cart_id = Column(ForeignKey("cart.id"))
    cart_etag = Column(String(40))
    state = Column(Enum(OrderState), nullable=False, default=OrderState.NEW)
    total = Column(Numeric(12, 2), nullable=False)
    currency = Column(String(3), nullable=False)
    payment_reference = Column(String(64))
    placed_at = Column(DateTime, nullable=False, default=datetime.utcnow)
    paid_at = Column(DateTime(timezone=True))
    cart = relationship(Cart)
    lines = relationship("OrderLine", backref="order", order_by="OrderLine.id")

    @property
    def reference(self):
        return "orders/{}".format(self.number)

    def pay(self, payment_reference):
        self.payment_reference = payment_reference
        self.state = OrderState.PAID


class OrderLine(Base):
    __tablename__ = "order_line"

    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("order.id"), nullable=False)
    sku = Column(String(63), nullable=False)
    title = Column(String(200), nullable=False)
    quantity = Column(Integer, nullable=False)
    unit_price = Column(Numeric(10, 2), nullable=False)


class SalesByProduct(Base):
    """A view in the database."""

    __table__ = Table(
        "sales_by_product",
        Base.metadata,
        Column("sku", String(63), primary_key=True),
        Column("pieces", Integer),
        info={"is_view": True},
    )


class LogEntry(Base):
    """What happened to orders."""

    __tablename__ = "log_entry"

    id = Column(Integer, primary_key=True)
    order_number = Column(String(63), nullable=False)
    what = Column(String(20), nullable=False)
