"""What really went wrong, out of what a task group makes of it."""


def first_cause(error: BaseException) -> BaseException:
    """The first real cause inside nested exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
