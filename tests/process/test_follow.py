"""``signalscope activity`` behind a pipe: what it prints, and how it ends."""

import json
import signal

from tests.process.site import ProcessTestCase

COMMAND = ("-m", "django", "signalscope", "activity", "--format", "json")
ADD = """
import django; django.setup()
from django.utils import timezone
from signalscope.models import ActivityLog
ActivityLog.objects.bulk_create(
    ActivityLog(at=timezone.now(), action="updated", object_key=str(key), object_label="x" * 200)
    for key in range(1, {count} + 1)
)
"""


class FollowTests(ProcessTestCase):
    """A command whose output another process reads."""

    def key(self, line):
        return json.loads(line)["object_key"]

    def follow(self):
        """Start to follow, and wait until the first entry is there."""
        self.run_script(ADD.format(count=1))
        process = self.start(*COMMAND, "--follow")
        self.assertEqual(self.key(process.stdout.readline()), "1")
        return process

    def test_ctrl_c(self):
        """What comes is printed at once; Ctrl-C is the usual end."""
        process = self.follow()
        self.run_script(ADD.format(count=2))
        self.assertEqual(self.key(process.stdout.readline()), "1")
        self.assertEqual(self.key(process.stdout.readline()), "2")
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process), "")

    def test_reader_leaves(self):
        """When the program behind the pipe ends, it ends without a complaint."""
        process = self.follow()
        process.stdout.close()
        self.run_script(ADD.format(count=1))
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(process.stderr.read(), "")

    def test_reader_leaves_before_the_end(self):
        """So it does without --follow, as with "| head"."""
        self.run_script(ADD.format(count=2000))
        process = self.start(*COMMAND, "--limit", "2000")
        process.stdout.read(1)
        process.stdout.close()
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(process.stderr.read(), "")
