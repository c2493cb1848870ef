"""The widgets of the dashboard, one to a file; each draws what ``tui.words`` and its siblings made."""
