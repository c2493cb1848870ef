"""Locks, journal, executor and the task tree."""
