"""What went wrong, as a painter is told."""

import traceback

from picture import Sorry
from underpaint_client import Disconnected, NotRunning, ProtocolError, Refused


def sentence(error):
    """What an exception says."""
    if isinstance(error, (Sorry, NotRunning)):
        return str(error)
    if isinstance(error, Refused):
        return " ".join(filter(None, [str(error), error.hint]))
    if isinstance(error, Disconnected):
        return "Underpaint stopped while it was at work, twice. The picture is unchanged."
    if isinstance(error, ProtocolError):
        return "Underpaint's answer cannot be used (%s). Are it and this plug-in of the same version?" % error
    traceback.print_exception(type(error), error, error.__traceback__)
    return "Something went wrong inside the Underpaint plug-in (%s: %s)." % (type(error).__name__, error)


def any_of(names):
    """Those there are, to choose from."""
    names = list(names)
    return "Those there are: %s." % ", ".join(names) if names else "There are none."
