"""The terminal: it draws snapshots, sends commands, and decides nothing."""
