"""D009: receivers that save again, and those that something guards."""

from signalscope.doctor.saving import saves_its_sender
from tests.doctor.base import DoctorTestCase

HEAD = """
from django.db import transaction
from django.db.models.signals import post_save, pre_save
import signalscope
from tests.shop.models import Item, Order

"""


class SavingTests(DoctorTestCase):
    def texts(self, body, arguments="sender, instance, created, **kwargs", connect=None):
        """Return what is said of a receiver with a body."""
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        connect = connect or "post_save.connect(hear, sender=Order)"
        self.load(f"{HEAD}def hear({arguments}):\n{lines}\n{connect}\n")
        return [
            finding.message.partition("calls ")[2]
            for finding in self.report(saves_its_sender).findings
            if finding.file == str(self.path)
        ]

    def test_saves_for_ever(self):
        """The call is said; update_fields alone does not end it, nor does a transaction."""
        for body, call in (
            ("instance.save()", "instance.save()."),
            ("instance.save(update_fields=['number'])", "instance.save()."),
            ("with transaction.atomic():\n    instance.save()", "instance.save()."),
            ("if not created:\n    instance.save()", "instance.save()."),
            ("if created:\n    pass\nelse:\n    instance.save()", "instance.save()."),
            ("if created:\n    sender.objects.create()", "sender.objects.create()."),
            ("Order.objects.create(number='2')", "Order.objects.create()."),
            ("instance.number = '2'\nreturn instance.save()", "instance.save()."),
        ):
            with self.subTest(body=body):
                self.assertEqual(self.texts(body), [call])

    def test_async(self):
        """Async ones are read as well."""
        self.load(
            f"{HEAD}async def hear(sender, instance, **kwargs):\n    await instance.asave()\n"
            "post_save.connect(hear, sender=Order)\n"
        )
        self.assertEqual(self.found(saves_its_sender), [("D009", 8)])

    def test_every_sender(self):
        """Whoever hears every sender hears of what it makes itself."""
        connect = "post_save.connect(hear)"
        text = "Item.objects.create()"
        self.assertEqual(self.texts(text, connect=connect), ["Item.objects.create()."])

    def test_guarded(self):
        """A condition, an end before it, or another object: nothing is said."""
        for body in (
            "if created:\n    instance.save()",
            "if not created:\n    sender.objects.create()",
            "if instance.number:\n    instance.save()",
            "if kwargs.get('raw'):\n    return\ninstance.save()",
            "if instance.number == '1': raise ValueError\ninstance.save()",
            "for item in instance.item_set.all():\n    instance.save()",
            "try:\n    instance.save()\nexcept ValueError:\n    pass",
            "created and instance.save()",
            "instance.save() if created else None",
            "post_save.disconnect(hear, sender=Order)\ninstance.save()",
            "with signalscope.mute(receiver='hear'):\n    instance.save()",
            "instance.save(update_fields=[])",
            "instance.save(quietly=True)",
            "instance = Item()\ninstance.save()",
            "transaction.on_commit(lambda: instance.save())",
            "def later():\n    instance.save()",
            "Item.objects.create(order=instance)",
            "sender.objects.filter(pk=instance.pk).update(number='2')",
            "instance.tags.create()",
        ):
            with self.subTest(body=body):
                self.assertEqual(self.texts(body), [])

    def test_decorated(self):
        """What stands around a receiver may be the condition."""
        connect = "post_save.connect(signalscope.only_when_created(hear), sender=Order, weak=False)"
        self.assertEqual(self.texts("instance.save()", connect=connect), [])

    def test_method(self):
        """Methods are read, too, and so are the decorators around them."""
        self.load(
            HEAD
            + """
class Bell:
    def ring(self, sender, instance, **kwargs):
        instance.save()
    @signalscope.only_when_created
    def chime(self, sender, instance, **kwargs):
        instance.save()
BELL = Bell()
post_save.connect(BELL.ring, sender=Order)
post_save.connect(BELL.chime, sender=Order)
"""
        )
        self.assertEqual(self.found(saves_its_sender), [("D009", 10)])
