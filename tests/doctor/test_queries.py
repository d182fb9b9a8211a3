"""D011: receivers of pre_init and post_init that run queries."""

from django.test import TestCase

from signalscope.core.retention import Retention
from signalscope.doctor.project import Project
from signalscope.doctor.queries import queries_in_init
from signalscope.doctor.records import read_records
from tests.doctor.base import DoctorTestCase
from tests.stats import rows

HEAD = """
from django.db.models.signals import post_init, pre_init
from tests.shop.models import Item, Order
"""


class QueryTests(DoctorTestCase):
    def texts(self, expression, connect="post_init.connect(hear, sender=Item)"):
        """Return what is said of a receiver with an expression."""
        body = f"def hear(sender, instance=None, **kwargs): {expression}\n"
        self.load(f"{HEAD}{body}{connect}\n")
        return [
            finding.message.partition("database: ")[2]
            for finding in self.report(queries_in_init).findings
            if finding.file == str(self.path)
        ]

    def test_asks(self):
        """Managers, reloads, and the other side of a foreign key."""
        for expression, text in (
            ("Order.objects.count()", "Order.objects."),
            ("sender._default_manager.first()", "sender._default_manager."),
            ("instance.refresh_from_db()", "instance.refresh_from_db."),
            ("print(instance.order.number)", "instance.order."),
        ):
            with self.subTest(expression=expression):
                self.assertEqual(self.texts(expression), [text])
        found = self.texts("Item.objects.get()", "pre_init.connect(hear)")
        self.assertEqual(found, ["Item.objects."])

    def test_does_not_ask(self):
        """Columns, other names, and what only hands a function on."""
        for expression in (
            "print(instance.order_id, instance.name)",
            "setattr(instance, 'order', None)",
            "print(kwargs.objects)",
            "print(instance.refresh_from_db)",
            "(lambda: Order.objects.count())",
        ):
            with self.subTest(expression=expression):
                self.assertEqual(self.texts(expression), [])
        # Of any sender it is not known what "order" is.
        self.assertEqual(self.texts("print(instance.order)", "post_init.connect(hear)"), [])


class RecordedTests(DoctorTestCase, TestCase):
    """What stored traces say."""

    def test_recorded(self):
        """A receiver that ran queries is told, though its source does not show it."""
        module = self.load(f"{HEAD}def hear(**kwargs): ...\npost_init.connect(hear, sender=Item)\n")
        name = f"{module.__name__}.hear"
        signal = "django.db.models.signals.post_init"
        sent = rows.dispatch(rows.trace(), signal=signal, sender="shop.Item")
        rows.call(sent, receiver=name, query_count=5)
        rows.call(sent, receiver=name, query_count=2)
        rows.call(sent, receiver=name, query_count=0)
        with self.assertNumQueries(12):
            records = read_records(30, using="default", retention=Retention())
        (finding,) = [
            one for one in queries_in_init(Project(records=records)) if one.receiver == name
        ]
        self.assertIn("ran 7 queries", finding.message)
