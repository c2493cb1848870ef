"""The checks of gridwright doctor."""
