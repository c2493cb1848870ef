"""Tests of ``engine/exchange/foreign/requests``."""
