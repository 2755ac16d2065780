"""Who listens."""

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from shop.audit.models import Entry
from shop.basket.models import Line
from shop.catalog.models import Product
from shop.orders.checkout import order_placed
from shop.orders.models import Order


@receiver(post_save, sender=Order)
def write_entry(sender, instance, created, **kwargs):
    """Every change of an order is written down."""
    Entry.objects.create(target=instance, action=Entry.CREATED if created else Entry.CHANGED)


@receiver(post_save, sender=Product)
def follow_price(sender, instance, **kwargs):
    """A new price reaches the baskets that hold the product."""
    Line.objects.filter(product=instance, basket__status=1).update(price=instance.price)


@receiver(post_delete)
def write_deletion(sender, instance, **kwargs):
    """Whatever is deleted is written down, the entries themselves excepted."""
    if sender is not Entry and hasattr(instance, "pk") and sender.__module__.startswith("shop."):
        Entry.objects.create(target=instance, action=Entry.DELETED)


@receiver(order_placed)
def thank(sender, order, **kwargs):
    """Where a mail would be sent."""
    order.note = "thanked"
    order.save(update_fields=["note"])
