"""Seeded dice without a state: the same words always give the same throw, whatever happened between."""

from decimal import Decimal
from hashlib import blake2b

FACES = 2**64
"""A throw lies in [0, FACES)."""


def throw(seed: int, *words: object) -> int:
    """A number in [0, ``FACES``) that depends on nothing but ``seed`` and ``words``."""
    text = "|".join((str(seed), *map(str, words)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def faces_from_chance(chance: Decimal) -> int:
    """How many of the ``FACES`` a chance (a fraction) wins: a throw below it is a hit.

    Raises:
        ValueError: ``chance`` is not in [0, 1].
    """
    if not 0 <= chance <= 1:
        raise ValueError(f"a chance must be a fraction in [0, 1], was {chance}")
    return int(chance * FACES)
