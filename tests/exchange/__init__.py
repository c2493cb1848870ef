"""The outside, simulated."""
