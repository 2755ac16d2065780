"""What a customer means to buy."""

import enum
from datetime import datetime

from sqlalchemy import Column, DateTime, ForeignKey, Integer, String, func, select
from sqlalchemy.ext.associationproxy import association_proxy
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import column_property, relationship, validates

from shop.db import Base, Cents, IntEnum, session
from shop.store.catalog import Product

MOST_PIECES = 1000


class CartStatus(enum.IntEnum):
    OPEN = 1
    FROZEN = 3
    SUBMITTED = 4


class CartError(Exception):
    """The root of what a cart refuses."""


class QuantityInvalid(CartError):
    """A quantity that never fits."""


class QuantityExceeded(CartError):
    """More than one line may hold; the arguments are the sku and what is held."""


class NotInCart(CartError):
    """There is no such line."""


class CartChanged(CartError):
    """It is not what it was any more."""


class CartLine(Base):
    __tablename__ = "cart_line"

    cart_id = Column(ForeignKey("cart.id", ondelete="CASCADE"), primary_key=True)
    sku = Column(String(63), primary_key=True)
    position = Column(Integer, nullable=False)
    product_id = Column(ForeignKey("product.id"))
    quantity = Column(Integer, nullable=False, default=1)
    price = Column("price_cents", Cents)
    product = relationship(Product)

    @hybrid_property
    def total(self):
        return self.price * self.quantity

    @hybrid_method
    def holds(self, quantity):
        return self.quantity >= quantity

    @property
    def reference(self):
        return "products/{}".format(self.sku)

    @validates("quantity")
    def check_quantity(self, key, quantity):
        if not 1 <= quantity <= MOST_PIECES:
            raise QuantityInvalid(quantity)
        return quantity


class Cart(Base):
    __tablename__ = "cart"

    id = Column(Integer, primary_key=True)
    token = Column(String(63), unique=True, nullable=False)
    status = Column(IntEnum(CartStatus), nullable=False, default=CartStatus.OPEN)
    version = Column(Integer, nullable=False, default=0)
    customer_email = Column(String(254))
    changed_at = Column(DateTime)
    lines = relationship(
        CartLine, order_by=CartLine.position, backref="cart", cascade="all, delete-orphan", passive_deletes=True
    )
    pieces = column_property(
        select(func.coalesce(func.sum(CartLine.quantity), 0)).where(CartLine.cart_id == id).scalar_subquery()
    )
    skus = association_proxy("lines", "sku")

    @classmethod
    def of(cls, token, lock=False):
        """The cart of that token, made where there was none; the caller commits."""
        query = select(cls).filter_by(token=token)
        found = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
        if found is None:
            found = cls(token=token)
            session.add(found)
            session.flush()
        return found

    @property
    def reference(self):
        return "carts/{}".format(self.token)

    @property
    def etag(self):
        """Another one after each change; none while nothing is in it."""
        return "{}-{}".format(self.id, self.version) if self.lines else ""

    def _changed(self):
        self.version += 1
        self.changed_at = datetime.utcnow()

    def add(self, sku, quantity):
        """Put pieces of a product in. Raises QuantityInvalid, QuantityExceeded."""
        line = next((line for line in self.lines if line.sku == sku), None)
        if line is None:
            product = session.execute(select(Product).filter_by(slug=sku)).scalar_one_or_none()
            self.lines.append(
                CartLine(
                    sku=sku,
                    quantity=quantity,
                    position=max((other.position for other in self.lines), default=0) + 1,
                    product=product,
                    price=product.price if product else None,
                )
            )
        else:
            if quantity < 1:
                raise QuantityInvalid(quantity)
            if line.quantity + quantity > MOST_PIECES:
                raise QuantityExceeded(sku, line.quantity)
            line.quantity += quantity
        self._changed()

    def remove(self, sku):
        """Take a product out. Raises NotInCart."""
        line = next((line for line in self.lines if line.sku == sku), None)
        if line is None:
            raise NotInCart(sku)
        self.lines.remove(line)
        self._changed()

    def clear(self, etag=""):
        """Take everything out. Raises CartChanged."""
        if etag and self.etag and etag != self.etag:
            raise CartChanged(self.token)
        self.lines.clear()
        self._changed()
