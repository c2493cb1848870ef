"""Everything this process writes about itself goes through the redactor: log records, and errors nobody caught.

Promises: once installed, no handler of any logger, present or future, gets a message, a traceback or a stack with
a secret in it, and neither does stderr when a thread or the process dies. What the screen draws, and what the
journal holds, never had one.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType

from engine.runtime.redactor import Redactor

__all__ = ["Redactor", "install_redaction"]

_TRACEBACKS = logging.Formatter()


def install_redaction(redactor: Redactor) -> Callable[[], None]:
    """Install it for the whole process; the result takes it out again.

    The logger of ccxt never falls below warnings: at debug it tells every header.
    """
    before = logging.getLogRecordFactory(), sys.excepthook, sys.unraisablehook, threading.excepthook
    foreign = logging.getLogger("ccxt")
    level_before = foreign.level
    logging.setLogRecordFactory(_RedactingRecords(before[0], redactor))
    foreign.setLevel(max(level_before, logging.WARNING))
    words = _LastWords(redactor)
    sys.excepthook, sys.unraisablehook, threading.excepthook = words.of_process, words.of_clean_up, words.of_thread

    def uninstall() -> None:
        logging.setLogRecordFactory(before[0])
        foreign.setLevel(level_before)
        sys.excepthook, sys.unraisablehook, threading.excepthook = before[1:]

    return uninstall


class _RedactingRecords:
    """Makes records of which every text is redacted before any filter or handler sees them."""

    def __init__(self, make: Callable[..., logging.LogRecord], redactor: Redactor) -> None:
        self._make, self._redactor = make, redactor

    def __call__(self, *arguments: object, **named: object) -> logging.LogRecord:
        record = self._make(*arguments, **named)
        redact = self._redactor.redact
        record.msg, record.args = redact(_message(record)), None
        if record.exc_info:
            # Formatters take the text that is there already.
            record.exc_text = redact(_TRACEBACKS.formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return record


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - the values of a message are anybody's objects
        # Logging itself would print the values as they are to stderr.
        return f"{record.msg} (its values cannot be shown: {type(error).__name__})"


class _LastWords:
    """Tells of errors that nobody caught, redacted, as Python itself would tell of them."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def of_process(self, kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        self._tell("", kind, error, where)

    def of_thread(self, found: threading.ExceptHookArgs) -> None:
        if found.exc_type is SystemExit:
            return
        name = found.thread.name if found.thread else "that is gone"
        self._tell(f"Exception in thread {name}:\n", found.exc_type, found.exc_value, found.exc_traceback)

    def of_clean_up(self, found: "sys.UnraisableHookArgs") -> None:
        # The kind of the object and not its repr, which runs code of an object half gone.
        head = f"{found.err_msg or 'Exception ignored in'}: {type(found.object).__qualname__}\n"
        self._tell(head, found.exc_type, found.exc_value, found.exc_traceback)

    def _tell(
        self, head: str, kind: type[BaseException], error: BaseException | None, where: TracebackType | None
    ) -> None:
        # Without a console there is no stderr.
        if sys.stderr is not None:
            lines = traceback.format_exception(kind, error, where)
            sys.stderr.write(self._redactor.redact(head + "".join(lines)))
            sys.stderr.flush()
