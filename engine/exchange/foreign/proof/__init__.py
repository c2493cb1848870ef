"""What a failure proves: every foreign exception becomes one of ours, once."""
