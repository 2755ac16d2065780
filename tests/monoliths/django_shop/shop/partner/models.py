"""Who delivers, and what they have."""

from django.db import models
from django.db.models import F


class Partner(models.Model):
    name = models.CharField(max_length=128)
    code = models.SlugField(max_length=128, unique=True)


class InvalidStockAdjustment(Exception):
    """There is not so much to allocate or to release."""


class StockRecord(models.Model):
    product = models.ForeignKey("catalog.Product", related_name="stockrecords", on_delete=models.CASCADE)
    partner = models.ForeignKey(Partner, related_name="stockrecords", on_delete=models.CASCADE)
    partner_sku = models.CharField(max_length=128)
    price_currency = models.CharField(max_length=12, default="EUR")
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    # NULL: nobody counts.
    num_in_stock = models.PositiveIntegerField(null=True, blank=True)
    num_allocated = models.IntegerField(null=True, blank=True)
    low_stock_threshold = models.PositiveIntegerField(null=True, blank=True)
    date_created = models.DateTimeField(auto_now_add=True)
    date_updated = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        unique_together = (("partner", "partner_sku"),)

    @property
    def net_stock(self):
        if self.num_in_stock is None:
            return None
        return self.num_in_stock - (self.num_allocated or 0)

    def allocate(self, quantity):
        """Set pieces aside. Raises InvalidStockAdjustment where there are too few."""
        if self.num_in_stock is None:
            return
        free = models.Q(num_allocated__isnull=True, num_in_stock__gte=quantity) | models.Q(
            num_in_stock__gte=F("num_allocated") + quantity
        )
        mine = type(self).objects.filter(free, pk=self.pk)
        if not mine.update(num_allocated=models.functions.Coalesce(F("num_allocated"), 0) + quantity):
            raise InvalidStockAdjustment("only {} of {} are free".format(self.net_stock, self.partner_sku))
        self.refresh_from_db()

    def release(self, quantity):
        """Give pieces back."""
        self.num_allocated = max((self.num_allocated or 0) - quantity, 0)
        self.save(update_fields=["num_allocated", "date_updated"])
