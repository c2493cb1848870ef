"""Values that must never be seen: what signs requests, wrapped so that no print, dump or traceback shows it.

A ``Secret`` is ``***`` everywhere, whatever its length, and gives its value to ``reveal()`` alone. That protects
from accidents, not from code that means to look: whoever calls ``reveal()`` keeps the result out of variables
that live on, for a traceback with locals shows them.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import NoReturn, Self

MASK = "***"
"""What stands in place of every secret; one length for all, for a length helps who guesses."""

_FINGERPRINT_DIGITS = 12


class Secret:
    """One secret text, not empty and immutable; copying it gives the very same object.

    Raises:
        ValueError: the text is empty.
        TypeError: not a text, or on an attempt to pickle.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        is_text, is_empty = isinstance(value, str), not value
        if is_text and not is_empty:
            self.__value = value
        # A traceback that shows locals comes by here when a check below fails.
        del value
        if not is_text:
            raise TypeError("expected the secret as a text, found something else")
        if is_empty:
            raise ValueError("expected a secret, found an empty text")

    def reveal(self) -> str:
        """The value itself: for the one call that needs it."""
        return self.__value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret is never pickled")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is never pickled")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeKeys:
    """What an exchange gave its customer for trading by program.

    ``secret`` may be a private key of several lines (PEM); ``password`` is the pass phrase that some exchanges
    ask for beside it, None where they do not.
    """

    api_key: Secret
    secret: Secret
    password: Secret | None = None

    def every(self) -> tuple[Secret, ...]:
        """All of them: what has to be kept out of every text."""
        return (self.api_key, self.secret) if self.password is None else (self.api_key, self.secret, self.password)

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits to tell one API key from another; nothing of the key can be read from them."""
        # The API key alone: it is long and random, while a pass phrase could be guessed from its digest.
        return hashlib.sha256(self.api_key.reveal().encode()).hexdigest()[:_FINGERPRINT_DIGITS]
