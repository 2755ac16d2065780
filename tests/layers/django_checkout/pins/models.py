"""The pins of the shop's layers. When the last layer goes, the table goes."""

from django.db import models


class Pin(models.Model):
    name = models.CharField(max_length=200, primary_key=True)
    side = models.CharField(max_length=8)
    made_at = models.DateTimeField(auto_now_add=True)


def pinned(name, side):
    """The side that is kept under that name: this one, where there was none."""
    return Pin.objects.get_or_create(name=name, defaults={"side": side})[0].side
