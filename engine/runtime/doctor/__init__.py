"""``gridwright doctor``: one check a file, each of something that an engine needs. Nothing here trades or changes."""
