"""What the shop sells."""

from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property


class ProductQuerySet(models.QuerySet):
    """The ways in which products are asked for."""

    def public(self):
        return self.filter(is_public=True, discontinued_at__isnull=True)

    def in_category(self, name):
        return self.filter(category__name=name)

    def with_stock(self):
        return self.prefetch_related("stockrecords__partner")


class Category(models.Model):
    name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", null=True, blank=True, related_name="children", on_delete=models.CASCADE)

    class Meta:
        verbose_name_plural = "categories"

    @property
    def path(self):
        return "{} > {}".format(self.parent.path, self.name) if self.parent else self.name


class Product(models.Model):
    slug = models.SlugField(max_length=63, unique=True)
    title = models.CharField(max_length=200)
    category = models.ForeignKey(Category, null=True, related_name="products", on_delete=models.SET_NULL)
    description = models.TextField(null=True)
    # NULL: the price is told on request.
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    currency = models.CharField(max_length=3, default="EUR")
    weight = models.FloatField(null=True)
    attributes = models.JSONField(default=dict)
    is_public = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    discontinued_at = models.DateTimeField(null=True)
    related = models.ManyToManyField("self", blank=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ("id",)

    @property
    def reference(self):
        return "products/{}".format(self.slug)

    @property
    def is_sold(self):
        return self.is_public and self.price is not None and self.discontinued_at is None

    @cached_property
    def best_stock(self):
        return max(self.stockrecords.all(), key=lambda record: record.net_stock or 0, default=None)

    def discontinue(self):
        self.discontinued_at = timezone.now()
        self.is_public = False
        self.save()


class Bundle(Product):
    """Several products for one price; a table of its own, joined to the product's."""

    rebate = models.DecimalField(max_digits=4, decimal_places=3, default=0)
    parts = models.ManyToManyField(Product, through="BundlePart", related_name="bundles")


class BundlePart(models.Model):
    bundle = models.ForeignKey(Bundle, related_name="+", on_delete=models.CASCADE)
    product = models.ForeignKey(Product, related_name="+", on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bundle", "product"], name="one_part")]
