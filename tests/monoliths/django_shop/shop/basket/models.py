"""What a customer means to buy."""

from decimal import Decimal

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from shop.basket.exceptions import BasketChanged, BasketFrozen, NotInBasket, QuantityExceeded, QuantityInvalid
from shop.catalog.models import Product

MOST_PIECES = 1000


class OpenBaskets(models.Manager):
    """Baskets that may still change."""

    def get_queryset(self):
        return super().get_queryset().filter(status=Basket.Status.OPEN)

    def of(self, token):
        """The basket of that token, made where there was none."""
        return self.get_or_create(token=token)[0]


class Basket(models.Model):
    class Status(models.IntegerChoices):
        OPEN = 1
        MERGED = 2
        FROZEN = 3
        SUBMITTED = 4

    token = models.CharField(max_length=63, unique=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, related_name="baskets", on_delete=models.CASCADE
    )
    status = models.PositiveSmallIntegerField(choices=Status.choices, default=Status.OPEN)
    version = models.PositiveIntegerField(default=0, editable=False)
    # NULL while a price is missing.
    total = models.DecimalField(max_digits=12, decimal_places=2, null=True, editable=False)
    voucher_code = models.CharField(max_length=32, null=True)
    changed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = models.Manager()
    open = OpenBaskets()

    @property
    def reference(self):
        return "carts/{}".format(self.token)

    @property
    def etag(self):
        """Another one after each change; none while nothing is in it."""
        return "{}-{}".format(self.pk, self.version) if self.lines.all() else ""

    @property
    def is_open(self):
        return self.status == self.Status.OPEN

    @property
    def num_items(self):
        return sum(line.quantity for line in self.lines.all())

    def save(self, *args, **kwargs):
        """Count versions, add up, and remember when. Whoever calls it with update_fields has to name these too."""
        self.token = self.token.strip()
        self.version += 1
        self.changed_at = timezone.now()
        if self.pk:
            prices = [line.price_of_all for line in self.lines.all()]
            self.total = None if None in prices else sum(prices, Decimal("0.00"))
        super().save(*args, **kwargs)

    def _locked(self):
        basket = Basket.objects.select_for_update().get(pk=self.pk)
        if not basket.is_open:
            raise BasketFrozen(self.token)
        return basket

    @transaction.atomic
    def add(self, sku, quantity):
        """Put pieces of a product in. Raises QuantityInvalid, QuantityExceeded, BasketFrozen."""
        if not 1 <= quantity <= MOST_PIECES:
            raise QuantityInvalid(quantity)
        basket = self._locked()
        line, _ = basket.lines.get_or_create(sku=sku, defaults={"quantity": 0})
        if line.quantity + quantity > MOST_PIECES:
            raise QuantityExceeded(sku, line.quantity)
        line.quantity += quantity
        line.save()
        basket.save()
        return basket

    @transaction.atomic
    def remove(self, sku):
        """Take a product out. Raises NotInBasket, BasketFrozen."""
        basket = self._locked()
        if not basket.lines.filter(sku=sku).delete()[0]:
            raise NotInBasket(sku)
        basket.save()
        return basket

    @transaction.atomic
    def clear(self, etag=""):
        """Take everything out. Raises BasketChanged, BasketFrozen."""
        basket = self._locked()
        if etag and basket.etag and etag != basket.etag:
            raise BasketChanged(self.token)
        basket.lines.all().delete()
        basket.save()
        return basket

    def freeze(self):
        self.status = self.Status.FROZEN
        self.save()

    def thaw(self):
        self.status = self.Status.OPEN
        self.save()

    def merge(self, other):
        """Take over what another basket holds."""
        for line in other.lines.select_related("product__category"):
            self.add(line.sku, line.quantity)
        other.lines.all().delete()
        other.status = self.Status.MERGED
        other.save()


class Line(models.Model):
    basket = models.ForeignKey(Basket, related_name="lines", on_delete=models.CASCADE)
    sku = models.CharField(max_length=63)
    # NULL where the catalog does not know the product (any more).
    product = models.ForeignKey(Product, null=True, related_name="basket_lines", on_delete=models.SET_NULL)
    quantity = models.PositiveIntegerField(default=1)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)
        unique_together = (("basket", "sku"),)

    @property
    def reference(self):
        return "products/{}".format(self.sku)

    @property
    def price_of_all(self):
        return None if self.price is None else self.price * self.quantity

    @property
    def is_available(self):
        return self.product is not None and self.product.is_sold

    def save(self, *args, **kwargs):
        if self.product is None:
            self.product = Product.objects.filter(slug=self.sku).first()
        if self.product is not None:
            self.price = self.product.price
        super().save(*args, **kwargs)
