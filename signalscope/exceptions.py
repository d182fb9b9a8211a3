"""The errors that signalscope raises."""


class SignalscopeError(Exception):
    """Any error of signalscope's own."""


class CannotInstrument(SignalscopeError):
    """This Django, or what another package made of it, is not one that can be instrumented."""


class UnknownSignal(SignalscopeError):
    """A name that stands for no signal."""
