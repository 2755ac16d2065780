"""What the shop sells."""

from datetime import datetime

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, ForeignKey, Integer, String, Table, Text
from sqlalchemy.orm import relationship

from shop.db import Base, Cents

related = Table(
    "product_related",
    Base.metadata,
    Column("product_id", ForeignKey("product.id"), primary_key=True),
    Column("other_id", ForeignKey("product.id"), primary_key=True),
)


class Product(Base):
    __tablename__ = "product"

    id = Column(Integer, primary_key=True)
    slug = Column(String(63), unique=True, nullable=False)
    title = Column(String(200), nullable=False)
    description = Column(Text)
    price = Column("price_cents", Cents)
    currency = Column(String(3), nullable=False, default="EUR")
    weight = Column(Float)
    attributes = Column(JSON, nullable=False, default=dict)
    is_public = Column(Boolean, nullable=False, server_default="1")
    created_at = Column(DateTime, nullable=False, default=datetime.utcnow)
    related = relationship(
        "Product", secondary=related, primaryjoin=id == related.c.product_id, secondaryjoin=id == related.c.other_id
    )

    @property
    def reference(self):
        return "products/{}".format(self.slug)

    @property
    def is_sold(self):
        return self.is_public and self.price is not None
