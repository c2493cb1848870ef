"""Tests of ``engine/exchange/foreign/words``."""
