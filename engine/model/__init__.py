"""The words of the engine: frozen values made of the standard library only.

Every other part speaks in these values. Nothing here decides, waits, reads a
clock or touches the outside.
"""
