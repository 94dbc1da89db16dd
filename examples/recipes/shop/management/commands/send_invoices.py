"""A management command that cron starts on every host, and one host does at a time.

    DJANGO_SETTINGS_MODULE=shop.settings django-admin send_invoices
"""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from distributed_lock import DistributedLock, LockBusy, LockLost
from shop.models import Invoice


class Command(BaseCommand):
    help = "Sends the invoices that are not sent yet."

    def handle(self, *args, **options):
        try:
            with DistributedLock(settings.LOCKS, lock_name="send_invoices", wait=0) as lock:
                for invoice in Invoice.objects.filter(is_sent=False):
                    lock.ensure_held()  # raises LockLost
                    self.send(invoice)
        except LockBusy:
            self.stdout.write("another host sends them")
        except LockLost as error:
            raise CommandError(f"stopped: {error}") from error

    def send(self, invoice):
        with open(settings.OUTBOX, "a", encoding="utf-8") as outbox:
            outbox.write(f"{invoice.order}\n")
        invoice.is_sent = True
        invoice.save()
        self.stdout.write(f"sent {invoice.order}")
