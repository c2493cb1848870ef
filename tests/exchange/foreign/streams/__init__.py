"""Tests of ``engine/exchange/foreign/streams``."""
