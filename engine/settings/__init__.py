"""``config.toml`` <-> ``Settings``: every problem at once, each with its key.

``values`` what was decided, ``start`` what is wished of one start, ``loading`` where it is looked for and how it is
read, ``schema`` and ``schema_*`` which keys there are, ``facts`` and ``contradictions*`` the rules between them,
``problems`` how what is wrong is said, ``text`` and ``tables`` back to TOML.
"""

from engine.settings.loading import (
    EXAMPLE_FILE,
    expanded_state_dir,
    find_config,
    load_settings,
    user_config_file,
)
from engine.settings.start import Start
from engine.settings.values import (
    ASK,
    EngineSettings,
    ExchangeSettings,
    FillRule,
    JournalKind,
    MarketOverrides,
    MarketType,
    Settings,
    SimulationSettings,
    Source,
)

__all__ = [
    "ASK",
    "EXAMPLE_FILE",
    "EngineSettings",
    "ExchangeSettings",
    "FillRule",
    "JournalKind",
    "MarketOverrides",
    "MarketType",
    "Settings",
    "SimulationSettings",
    "Source",
    "Start",
    "expanded_state_dir",
    "find_config",
    "load_settings",
    "user_config_file",
]
