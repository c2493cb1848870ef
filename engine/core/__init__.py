"""Decisions: synchronous, pure, deterministic. No clock, dice, file, log or network in here."""
