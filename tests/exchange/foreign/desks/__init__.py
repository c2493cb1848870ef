"""Tests of ``engine/exchange/foreign/desks``."""
