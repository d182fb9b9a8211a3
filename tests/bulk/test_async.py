"""Tests of the async twins."""

from asgiref.sync import sync_to_async
from django.test import TestCase

from signalscope import bulk
from tests.bulk.hearing import heard, names, parcels
from tests.bulk.models import Parcel


class AsyncTests(TestCase):
    async def test_once(self):
        """Each twin sends once, passes on what it is given, and returns the same."""
        with heard(Parcel) as found:
            created = await Parcel.objects.abulk_create(parcels("A", "B"), batch_size=1)
            stored_ones = [parcel async for parcel in Parcel.objects.order_by("code")]
            counts = [
                await Parcel.objects.abulk_update(stored_ones, ["weight"], batch_size=1),
                await Parcel.objects.filter(code="A").aupdate(weight=5, keys=True),
            ]
            deleted = await Parcel.objects.filter(code="A").adelete(keys=True)
        self.assertEqual([parcel.code for parcel in created], ["A", "B"])
        self.assertEqual(counts, [2, 1])
        self.assertEqual(deleted, (1, {"bulk.Parcel": 1}))
        self.assertEqual(
            names(found),
            [
                *("pre_bulk_created", "bulk_created"),
                *["pre_bulk_updated", "bulk_updated"] * 2,
                *("pre_bulk_deleted", "bulk_deleted"),
            ],
        )
        self.assertEqual(found[-1][1]["keys"], found[-3][1]["keys"])

    async def test_silent(self):
        """send_signals=False holds for them."""
        with heard() as found:
            await Parcel.objects.abulk_create(parcels("A"), send_signals=False)
            every = [parcel async for parcel in Parcel.objects.all()]
            await Parcel.objects.abulk_update(every, ["weight"], send_signals=False)
            await Parcel.objects.aupdate(weight=5, send_signals=False)
            await Parcel.objects.all().adelete(send_signals=False)
        self.assertEqual(found, [])

    async def test_async_receiver(self):
        """Receivers may be async, whichever way the method is called."""
        heard_by = []

        async def receive(sender, row_count, **named):
            heard_by.append(row_count)

        bulk.bulk_updated.connect(receive)
        try:
            await Parcel.objects.aupdate(weight=5)
            await sync_to_async(Parcel.objects.update)(weight=5)
        finally:
            bulk.bulk_updated.disconnect(receive)
        self.assertEqual(heard_by, [0, 0])
