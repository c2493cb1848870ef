"""Tests of ``engine/exchange/foreign/proof``."""
