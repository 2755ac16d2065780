"""What was bought."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from shop.basket.models import Basket
from shop.catalog.models import Product


class Order(models.Model):
    # Numbers that grew: 2 was "in dispatch" once.
    NEW, PAID, SHIPPED, CANCELLED = 0, 1, 3, 4
    STATUSES = ((NEW, "new"), (PAID, "paid"), (SHIPPED, "shipped"), (CANCELLED, "cancelled"))

    number = models.CharField(max_length=63, unique=True)
    public_id = models.UUIDField(default=uuid.uuid4, editable=False)
    basket = models.ForeignKey(Basket, null=True, related_name="orders", on_delete=models.SET_NULL)
    basket_etag = models.CharField(max_length=40, null=True)
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, related_name="orders", on_delete=models.SET_NULL
    )
    email = models.EmailField(null=True)
    status = models.PositiveSmallIntegerField(choices=STATUSES, default=NEW)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    payment_reference = models.CharField(max_length=64, null=True)
    note = models.TextField(blank=True, default="")
    placed_at = models.DateTimeField(auto_now_add=True)
    paid_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)

    @property
    def reference(self):
        return "orders/{}".format(self.number)

    @property
    def is_final(self):
        return self.status in (self.SHIPPED, self.CANCELLED)

    def save(self, *args, **kwargs):
        """Remember when it was paid, and give back the stock of what is cancelled."""
        if self.status == self.PAID and self.paid_at is None:
            self.paid_at = timezone.now()
        if self.status == self.CANCELLED and self.pk:
            for line in self.lines.select_related("stockrecord"):
                if line.stockrecord is not None:
                    line.stockrecord.release(line.quantity)
        super().save(*args, **kwargs)

    def pay(self, payment_reference):
        self.payment_reference = payment_reference
        self.status = self.PAID
        self.save()

    def cancel(self):
        self.status = self.CANCELLED
        self.save()


class PaidOrders(models.Manager):
    """Orders that were paid."""

    def get_queryset(self):
        return super().get_queryset().filter(status__in=(Order.PAID, Order.SHIPPED))


class PaidOrder(Order):
    """The same table, seen by the accountants."""

    objects = PaidOrders()

    class Meta:
        proxy = True

    def ship(self):
        self.status = self.SHIPPED
        self.save()


class OrderLine(models.Model):
    order = models.ForeignKey(Order, related_name="lines", on_delete=models.CASCADE)
    product = models.ForeignKey(Product, null=True, related_name="order_lines", on_delete=models.SET_NULL)
    stockrecord = models.ForeignKey("partner.StockRecord", null=True, related_name="+", on_delete=models.SET_NULL)
    sku = models.CharField(max_length=63)
    title = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)


class SalesByProduct(models.Model):
    """A view in the database."""

    sku = models.CharField(max_length=63, primary_key=True)
    pieces = models.IntegerField()
    revenue = models.DecimalField(max_digits=14, decimal_places=2)

    class Meta:
        managed = False
        db_table = "sales_by_product"
