"""What happened to anything."""

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Entry(models.Model):
    CREATED, CHANGED, DELETED = range(1, 4)
    ACTIONS = ((CREATED, "created"), (CHANGED, "changed"), (DELETED, "deleted"))

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.BigIntegerField()
    target = GenericForeignKey("content_type", "object_id")
    action = models.SmallIntegerField(choices=ACTIONS)
    created_at = models.DateTimeField(auto_now_add=True)
