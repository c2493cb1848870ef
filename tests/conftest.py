"""What every test runs under: one event loop library, and Hypothesis profiles that differ only in effort.

``GRIDWRIGHT_HYPOTHESIS`` chooses the profile: ``dev`` is quick, ``gate`` always tries the same
examples, ``hunt`` looks for what nobody has thought of.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("gate", max_examples=300, deadline=None, derandomize=True)
settings.register_profile("hunt", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("GRIDWRIGHT_HYPOTHESIS", "gate"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The engine and Textual run on asyncio, so the tests do."""
    return "asyncio"
