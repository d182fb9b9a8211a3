"""Another thread changes the list of receivers in the middle of a dispatch."""

import signalscope
from signalscope import wiring
from tests.control.muting import MuteTestCase, first, fourth, second, third


class RaceTests(MuteTestCase):
    """What the other thread does is done here, where the planner asks."""

    def change_while_planning(self, change):
        """Call something while the plan of the next dispatch is made."""
        gatekeepers = wiring.scope().planner.gatekeepers

        def gatekeeper(plan, candidates):
            gatekeepers.remove(gatekeeper)
            change()

        gatekeepers.append(gatekeeper)

    def test_changed_while_the_plan_is_made(self):
        """The dispatch calls whom it had found; those after it mute the right receivers."""
        for change, heard_after in (
            (lambda: self.signal.disconnect(first), "third fourth"),
            (lambda: self.signal.disconnect(second), "first third fourth"),
            (lambda: self.signal.disconnect(fourth), "first third"),
        ):
            self.setUp()
            self.change_while_planning(change)
            with signalscope.mute(receiver=second):
                self.assertHeard("first third fourth")
                self.assertHeard(heard_after)

    def test_changed_since_the_list_was_read(self):
        """A plan of the list as it is now does not choose among the receivers as they were."""
        before = [first, second]
        self.signal.disconnect(first)
        self.signal.send(None)
        recorder = wiring.scope().recorder
        plan = recorder.find_plan(self.signal, None)
        with signalscope.mute(receiver=[first, third]):
            _, sync_receivers, async_receivers = recorder.choose(
                plan, self.signal, None, before, [third]
            )
        self.assertEqual((sync_receivers, async_receivers), ([second], []))
