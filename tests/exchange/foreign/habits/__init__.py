"""Tests of ``engine/exchange/foreign/habits``."""
