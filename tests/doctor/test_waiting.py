"""D010 and D012: receivers that let the event loop or a transaction wait."""

from signalscope.doctor.waiting import waits_in_transaction
from tests.doctor.base import DoctorTestCase

HEAD = """
import http.client
import smtplib
import urllib.request as web
from functools import partial
from urllib.request import urlopen
from django.core import mail
from django.core.mail import EmailMultiAlternatives, send_mail
from django.core.mail.message import EmailMessage
from django.db import transaction
from django.db.models.signals import class_prepared, post_delete, post_save
import signalscope
from tests.shop.models import Order
from tests.shop.signals import order_paid

def deep(order): deeper(order)
def deeper(order): send_mail("", "", None, [])
def around(order): around(order)
@signalscope.deferred
def elsewhere(order, **kwargs): send_mail("", "", None, [])

"""


class TransactionTests(DoctorTestCase):
    def texts(self, body, connect="post_save.connect(hear, sender=Order)", name="def"):
        """Return what is said of a receiver with a body."""
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        self.load(f"{HEAD}{name} hear(sender, instance, **kwargs):\n{lines}\n{connect}\n")
        return [
            finding.message.partition("calls ")[2]
            for finding in self.report(waits_in_transaction).findings
            if finding.file == str(self.path)
        ]

    def test_waits(self):
        """Each of these is told, with the function that it is behind, and the first one only."""
        for body, call in (
            ("urlopen('https://x.example')", "urllib.request.urlopen()."),
            ("web.urlopen('https://x.example')", "urllib.request.urlopen()."),
            ("import requests\nrequests.post('https://x.example')", "requests.post()."),
            ("from httpx import AsyncClient\nAsyncClient()", "httpx.AsyncClient()."),
            ("http.client.HTTPSConnection('x')", "http.client.HTTPSConnection()."),
            ("with smtplib.SMTP('x') as smtp:\n    pass", "smtplib.SMTP()."),
            ("mail.mail_admins('', '')", "django.core.mail.mail_admins()."),
            ("EmailMessage().send()", "EmailMessage.send()."),
            ("m = EmailMultiAlternatives()\nm.send()", "EmailMessage.send()."),
            ("instance.user.email_user('', '')", "instance.user.email_user()."),
            (
                "if instance.number:\n    deep(instance)",
                "deep(), which calls deeper(), which calls django.core.mail.send_mail().",
            ),
            ("send_mail('')\nurlopen('')", "django.core.mail.send_mail()."),
        ):
            with self.subTest(body=body):
                self.assertEqual(self.texts(body), [call])

    def test_async(self):
        """An async receiver of a model's signal runs in the transaction as well."""
        found = self.texts("urlopen('')", name="async def")
        self.assertEqual(found, ["urllib.request.urlopen()."])

    def test_later_or_harmless(self):
        """After the commit, elsewhere, or something else of that name: nothing is said."""
        for body in (
            "transaction.on_commit(lambda: urlopen(''))",
            "transaction.on_commit(partial(send_mail, '', '', None, []))",
            "def later():\n    urlopen('')\ntransaction.on_commit(later)",
            "elsewhere(instance)",
            "around(instance)",
            "kwargs.get('requests')",
            "instance.send()",
            "instance.get('x')",
            "order_paid.send(sender=None)",
        ):
            with self.subTest(body=body):
                self.assertEqual(self.texts(body), [])

    def test_decorators(self):
        """signalscope's decorators put a receiver off; a condition does not."""
        body = "urlopen('')"
        for decorator, count in (
            ("on_commit", 0),
            ("deferred", 0),
            ("batched", 0),
            ("not_raw", 1),
        ):
            connect = f"post_save.connect(signalscope.{decorator}(hear), sender=Order, weak=False)"
            with self.subTest(decorator=decorator):
                self.assertEqual(len(self.texts(body, connect)), count)

    def test_signals(self):
        """Of signals of models all may be sent in a transaction, but that of a class."""
        for connect, count in (
            ("post_delete.connect(hear)", 1),
            ("class_prepared.connect(hear)", 0),
            # Nothing in an app sends it in a transaction.
            ("order_paid.connect(hear)", 0),
        ):
            with self.subTest(connect=connect):
                self.assertEqual(len(self.texts("urlopen('')", connect)), count)

    def test_unreadable(self):
        """Receivers without a source are passed over and counted."""
        self.load("""
            from django.db.models.signals import post_save
            namespace = {}
            exec("def hear(sender, **kwargs): ...", namespace)
            post_save.connect(namespace["hear"], weak=False)
            post_save.connect(print, weak=False)
        """)
        report = self.report(waits_in_transaction)
        self.assertEqual(len(report.unread), 2)
        self.assertEqual(report.failed, {})
