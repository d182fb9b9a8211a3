"""All diagnoses together: guarded, silenced, none twice."""

from dataclasses import replace

from signalscope.doctor import finding
from signalscope.doctor.examination import examine
from signalscope.doctor.files import is_foreign
from signalscope.doctor.finding import Finding
from signalscope.doctor.project import Project
from signalscope.doctor.signatures import without_kwargs
from tests.doctor.base import DoctorTestCase


def broken(project):
    """Fail after a finding."""
    yield Finding(finding.SENT_TO_NOBODY, "lost")
    raise ValueError("no such thing")


def one_each(project):
    """Find something of each level."""
    yield Finding(finding.SENT_TO_NOBODY, "third", "b.py", 1)
    yield Finding(finding.HELD_WEAKLY, "first", "a.py", 2)
    yield Finding(finding.CONNECTED_TWICE, "second", "a.py", 1)


class ExaminationTests(DoctorTestCase):
    def test_a_diagnosis_that_fails(self):
        """It is named with its error; what it found before counts, and the others are made."""
        report = examine(Project(), [broken, one_each])
        self.assertEqual(report.failed, {"broken": "ValueError: no such thing"})
        messages = [one.message for one in report.findings]
        self.assertEqual(messages, ["first", "second", "lost", "third"])

    def test_none_twice(self):
        """The same in the same place is one finding."""
        report = examine(Project(), [one_each, one_each])
        self.assertEqual(len(report.findings), 3)

    def test_never_called_with_a_reason(self):
        """That a receiver is not called is not said where it is said why."""
        why = Finding(finding.NEVER_SENT, "swapped", signal="s", receiver="r")
        idle = replace(why, kind=finding.NEVER_CALLED, message="not called")
        other = replace(idle, receiver="other")
        report = examine(Project(), [lambda project: iter([idle, why, other])])
        self.assertEqual([one.message for one in report.findings], ["swapped", "not called"])
        self.assertEqual(report.findings[1].receiver, "other")

    def test_setting(self):
        """Ids in the setting are left out, and counted."""
        report = examine(Project(), [one_each], silenced=["signalscope.D001", "other.W001"])
        self.assertEqual([one.message for one in report.findings], ["first", "third"])
        self.assertEqual(report.silenced_count, 1)

    def test_comments(self):
        """A comment in a function's head leaves out what it names, and nothing else."""
        self.load("""
            from django.dispatch import receiver
            from tests.shop.signals import order_paid

            @receiver(order_paid)  # signalscope: ignore=D007
            def one(sender, signal): ...

            @receiver(order_paid)
            def two(
                sender, signal  # signalscope: ignore=D001, D007
            ): ...

            @receiver(order_paid)
            def three(sender, signal):
                pass  # signalscope: ignore=D007

            @receiver(order_paid)  # signalscope: ignore=D0070
            def four(sender, signal): ...
        """)
        self.assertEqual(self.found(without_kwargs), [("D007", 13), ("D007", 17)])
        self.assertEqual(self.report(without_kwargs).silenced_count, 2)

    def test_foreign(self):
        """Django, Python, packages and signalscope are not the project's own."""
        import django.dispatch.dispatcher

        import signalscope.wiring

        for file in (
            django.dispatch.dispatcher.__file__,
            signalscope.wiring.__file__,
            DoctorTestCase.__mro__[1].__init__.__code__.co_filename,
            "/srv/app/.venv/lib/python3.13/site-packages/shop/receivers.py",
            "/usr/lib/python3/dist-packages/shop/receivers.py",
        ):
            self.assertTrue(is_foreign(file), file)
        for file in (__file__, "", "/srv/signalscope_shop/receivers.py", "<string>"):
            self.assertFalse(is_foreign(file), file)
        self.assertGreater(
            Project(is_all=True).receiver_count, Project(is_all=False).receiver_count
        )
