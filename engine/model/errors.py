"""Every error of the engine in one tree; the class says what to do about it."""

from enum import StrEnum


class GridwrightError(Exception):
    """Base of all our errors; the message states what was expected and what was found."""


class SettingsInvalid(GridwrightError):
    """Tell the user: the configuration, its data or the account cannot carry the grid.

    ``problems`` holds one line for each thing that is wrong; all are shown at once.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DataInvalid(SettingsInvalid):
    """Tell the user: a file of market data is missing, torn, unsorted or not what was promised."""


class RetryScope(StrEnum):
    """What has to wait before it is tried again."""

    REQUEST = "request"
    """This request alone."""
    ORDERS = "orders"
    """Every placement of the account: its order rate is used up."""
    ACCOUNT = "account"
    """Everything the account asks for, cancellations too: it is banned for a while."""


class Transient(GridwrightError):
    """Retry: the request was provably not executed; ``retry_after_seconds`` is the least wait, of what is in scope."""

    def __init__(
        self, message: str, *, retry_after_seconds: float = 1.0, scope: RetryScope = RetryScope.REQUEST
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.scope = scope


class Rejected(GridwrightError):
    """Tell core: the exchange said no and nothing was executed."""


class PostOnlyRejected(Rejected):
    """The order would have taken liquidity; the price has moved past it."""


class OrderNotFound(Rejected):
    """The exchange does not know this order (now); proves nothing while a request may still arrive."""


class OutcomeUnknown(GridwrightError):
    """Ask the exchange by client order id; never resend: the request may have been executed."""


class DuplicateOrder(OutcomeUnknown):
    """Ask the exchange: it has an order of this very id, so what was asked for has been placed before."""


class JournalFailed(GridwrightError):
    """Halt: the journal cannot be read or written; nothing that moves money may go on."""


class JournalRefused(JournalFailed):
    """Tell the user: this file cannot be used as the journal; it was left as it is."""


class InvariantBroken(GridwrightError):
    """Halt: something that must always hold does not."""


class EngineStopped(GridwrightError):
    """Tell the user: the engine ended or cannot be reached; ``str()`` says why."""


class CommandRefused(GridwrightError):
    """Tell the user: the command makes no sense now, for example a slot that does not exist."""
