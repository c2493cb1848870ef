"""``gridwright suggest``: a range, a step and a number of slots from the market's own volatility, each with its reason.

Nothing happens: what is printed can be written into the configuration.
"""

from argparse import Namespace

from engine.cli.output import DONE, narrate, put
from engine.cli.preflight import json_from_value
from engine.model.errors import SettingsInvalid
from engine.model.money import text_from_decimal
from engine.model.text import clean_text
from engine.settings import find_config, load_settings

_REASON_MAX = 500


def run_suggest(options: Namespace) -> int:
    """Print a suggestion for a grid of a simulation and return the exit code.

    Raises:
        SettingsInvalid: the configuration cannot be read, there is no such grid, or there is too little history.
    """
    settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    names = [spec.name for spec in settings.grids]
    if options.grid is None and len(names) > 1:
        raise SettingsInvalid(f"expected --grid NAME, one of: {', '.join(names)}")
    from engine.runtime.fresh_start import suggestion

    found = suggestion(settings, options.grid or names[0], days=options.days, slots=options.slots)
    if options.json:
        put(json_from_value(found))
        return DONE
    for reason in found.reasons:
        narrate(clean_text(reason, _REASON_MAX))
    lower, upper = text_from_decimal(found.lower), text_from_decimal(found.upper)
    put(f"lower = {lower}\nupper = {upper}\nslots = {found.slots}")
    return DONE
