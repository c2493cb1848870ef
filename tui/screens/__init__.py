"""The screens: the dashboard, and the dialogs that open above it."""
