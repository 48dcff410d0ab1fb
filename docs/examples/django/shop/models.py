"""What is in the shop's database."""

from django.db import models


class Order(models.Model):
    """What somebody wants, and how far it is."""

    class Tea(models.TextChoices):
        """What there is to have."""

        DARJEELING = "Darjeeling"
        ASSAM = "Assam"
        SENCHA = "Sencha"
        OOLONG = "Oolong"

    customer = models.CharField("your name", max_length=80)
    tea = models.CharField(max_length=20, choices=Tea.choices, default=Tea.DARJEELING)
    packets = models.PositiveSmallIntegerField(default=2)
    state = models.CharField(max_length=20, default="waiting", editable=False)
    receipt = models.TextField(editable=False)
    placed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.packets} × {self.tea} for {self.customer}"

    def change(self, **fields: object) -> None:
        """Write these fields, and no others."""
        Order.objects.filter(pk=self.pk).update(**fields)
