"""The errors that signalscope raises."""


class SignalscopeError(Exception):
    """Any error of signalscope's own."""


class CannotInstrument(SignalscopeError):
    """This Django, or what another package made of it, is not one that can be instrumented."""


class UnknownSignal(SignalscopeError):
    """A name that stands for no signal."""


class UnreadablePayload(SignalscopeError):
    """What was queued cannot be read here: it names what is gone, or is of another version."""


class QueueFull(SignalscopeError):
    """So many calls wait for this process's own threads that there is no room for one more."""


class NotRecording(SignalscopeError):
    """A test is to see what is dispatched, and signalscope is off."""
