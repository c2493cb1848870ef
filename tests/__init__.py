"""The tests mirror the tree; ``sim/`` runs the whole engine in virtual time, ``house/`` holds the rules."""
