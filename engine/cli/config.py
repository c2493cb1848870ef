"""``gridwright config check | show | init``."""

from argparse import Namespace

from engine.cli.output import DONE, FAILED, narrate, put
from engine.cli.parser import ConfigTask
from engine.model.errors import SettingsInvalid
from engine.model.snapshot import Mode
from engine.model.text import clean_text
from engine.settings import Settings, find_config, load_settings, user_config_file
from engine.settings.loading import EXAMPLE_FILE
from engine.settings.text import json_from_settings, toml_from_settings, write_example


def run_config(options: Namespace) -> int:
    """Do a ``config`` command and return the exit code.

    Raises:
        SettingsInvalid: with every problem of the configuration.
    """
    task = ConfigTask(options.task)
    match task:
        case ConfigTask.CHECK:
            _check_start(_load(options), options)
            put("ok")
            return DONE
        case ConfigTask.SHOW:
            settings = _load(options)
            if options.json:
                put(json_from_settings(settings))
            else:
                put(toml_from_settings(settings).rstrip("\n"))
            return DONE
        case ConfigTask.INIT:
            return _init(options)


def _load(options: Namespace) -> Settings:
    settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    narrate(f"configuration: {settings.file or 'none found, the built-in defaults'}")
    return settings


def _check_start(settings: Settings, options: Namespace) -> None:
    """What a start would refuse without asking an exchange; a real one's rules are its own to tell."""
    if settings.engine.mode is not Mode.SIMULATION:
        return
    from engine.runtime.fresh_start import start_problems

    label = clean_text(str(options.config or find_config() or EXAMPLE_FILE), 1000)
    problems = [f"{label}: {problem}" for problem in start_problems(settings)]
    if problems:
        raise SettingsInvalid(*problems)


def _init(options: Namespace) -> int:
    target = options.config or user_config_file()
    try:
        backup = write_example(target, force=options.force)
    except FileExistsError as error:
        narrate(str(error))
        return FAILED
    if backup is not None:
        narrate(f"the old configuration is kept as {backup}")
    narrate(f"wrote {target}")
    return DONE
