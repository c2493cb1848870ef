"""Engines trade on servers on this machine."""

from tests.near import near

__all__ = ["near"]
