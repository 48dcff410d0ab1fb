"""The models of the app."""

from typing import Any

from django.db import models


class Open(models.Manager):
    """Hides orders that are paid."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(is_paid=False)


class Order(models.Model):
    customer = models.CharField(max_length=50)
    is_paid = models.BooleanField(default=False)

    objects = Open()

    def pay(self) -> None:
        self.is_paid = True
        self.save()
