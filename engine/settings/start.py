"""What is wished of one start beside what is configured: said on the command line, never kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How an engine is to be started.

    ``is_fresh``: the old journal is set aside. ``is_live_confirmed``: a person has agreed that real money is
    traded. ``is_key_renewed``: the API key is another than before, and the account is the same.
    ``is_withdrawal_accepted``: the key may do more than trade, and the user insists on it.
    """

    is_fresh: bool = False
    is_live_confirmed: bool = False
    is_key_renewed: bool = False
    is_withdrawal_accepted: bool = False
