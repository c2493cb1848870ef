"""``gridwright config check | show | init``."""

from argparse import Namespace

from engine.cli.output import DONE, FAILED, narrate, put
from engine.cli.parser import ConfigTask
from engine.settings import Settings, find_config, load_settings, user_config_file
from engine.settings.text import json_from_settings, toml_from_settings, write_example


def run_config(options: Namespace) -> int:
    """Do a ``config`` command and return the exit code.

    Raises:
        SettingsInvalid: with every problem of the configuration.
    """
    task = ConfigTask(options.task)
    match task:
        case ConfigTask.CHECK:
            _load(options)
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
