"""The version of this program, as the package registry knows it."""


def program_version() -> str:
    """Version of the installed package; ``0`` when it runs from a tree that was never installed."""
    # Imported here: it is slow, and most commands never ask.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gridwright")
    except PackageNotFoundError:
        return "0"
