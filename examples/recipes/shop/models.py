"""The shop's invoices."""

from django.db import models


class Invoice(models.Model):
    order = models.IntegerField()
    is_sent = models.BooleanField(default=False)
