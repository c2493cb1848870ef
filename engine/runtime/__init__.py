"""Acts: asynchronous and small on purpose. What to do is decided in ``core``."""
