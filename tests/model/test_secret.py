"""Secrets that no print, dump, copy or traceback shows."""

import copy
import dataclasses
import io
import json
import logging
import pickle  # noqa: TID251 - to see that it refuses
import pprint
import traceback
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback
from textual.app import App

from engine.model.secret import MASK, ExchangeKeys, Secret
from tests.canary import CANARY_KEYS, assert_no_secret


@dataclasses.dataclass
class Holder:
    """A class that never thought of secrets."""

    keys: ExchangeKeys
    others: dict[str, Secret]


HOLDER = Holder(CANARY_KEYS, {"secret": CANARY_KEYS.secret})


def fail_with_secrets_at_hand() -> None:
    """An error in a function that holds keys in every way but revealed."""
    keys, holder, secret = CANARY_KEYS, HOLDER, CANARY_KEYS.secret
    listed = [secret, *keys.every()]
    raise RuntimeError(f"failed with {keys} and {holder}, {secret!s}, {secret!r}, {listed}")


def caught_failure() -> RuntimeError:
    """The error of ``fail_with_secrets_at_hand``, with its traceback."""
    with pytest.raises(RuntimeError) as caught:
        fail_with_secrets_at_hand()
    return caught.value


def test_a_secret_gives_its_value_to_reveal_alone() -> None:
    """And to nothing else."""
    assert Secret("abc").reveal() == "abc"


@pytest.mark.parametrize(
    "written",
    [repr, str, format, lambda value: f"{value:>80}", lambda value: f"{value!a}", ascii],
)
def test_a_secret_is_three_stars_however_it_is_printed(written: Callable[[Secret], str]) -> None:
    """Padding would only tell where it stands."""
    assert written(Secret("abc")) == MASK == "***"


def test_034_the_mask_tells_neither_length_nor_ending_of_a_secret() -> None:
    """One length for all."""
    assert {repr(Secret("x" * length)) for length in (1, 12, 4096)} == {"***"}


def test_032b_keys_and_what_holds_them_show_none_in_their_repr() -> None:
    """Not even to a printer that takes objects apart."""
    assert repr(CANARY_KEYS) == "ExchangeKeys(api_key=***, secret=***, password=***)"
    assert_no_secret(
        repr(HOLDER),
        str(dataclasses.asdict(HOLDER)),
        pprint.pformat(dataclasses.astuple(HOLDER)),
        pretty_repr(HOLDER, expand_all=True),
    )


def test_a_secret_is_never_pickled() -> None:
    """By no protocol, not even inside of something else."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for value in (CANARY_KEYS.secret, CANARY_KEYS, HOLDER):
            with pytest.raises(TypeError, match=r"^a secret is never pickled$"):
                pickle.dumps(value, protocol)


def test_a_secret_is_no_json() -> None:
    """With a default it is stars."""
    with pytest.raises(TypeError) as caught:
        json.dumps(CANARY_KEYS.secret)
    assert_no_secret(str(caught.value))
    assert json.dumps(CANARY_KEYS.secret, default=str) == '"***"'


def test_a_copy_of_a_secret_is_the_secret() -> None:
    """Also a deep one, so that records of secrets can be copied and compared."""
    assert copy.copy(CANARY_KEYS.secret) is CANARY_KEYS.secret
    assert copy.deepcopy(CANARY_KEYS) == CANARY_KEYS
    assert copy.deepcopy(CANARY_KEYS).secret is CANARY_KEYS.secret


def test_a_secret_has_no_attributes_to_list() -> None:
    """``vars`` of it fails, as it does for every object without a dictionary."""
    with pytest.raises(TypeError):
        vars(CANARY_KEYS.secret)


def test_secrets_are_equal_by_their_values_and_equal_to_no_text() -> None:
    """A comparison with a text would tempt to hold one."""
    assert Secret("abc") == Secret("abc") != Secret("abd")
    assert Secret("abc") != "abc"
    assert len({Secret("abc"), Secret("abc"), Secret("é")}) == 2
    assert Secret("é") == Secret("é")


def test_an_empty_secret_is_none() -> None:
    """None is written as None."""
    with pytest.raises(ValueError, match=r"^expected a secret, found an empty text$"):
        Secret("")


def test_what_is_no_text_is_refused_without_being_shown() -> None:
    """Neither in the message nor in the locals of the frame that raises."""
    with pytest.raises(TypeError) as caught:
        Secret(CANARY_KEYS.secret.reveal().encode())  # type: ignore[arg-type]
    inner = list(traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack)[-1]
    assert inner.name == "__init__"
    assert_no_secret(str(caught.value), str(inner.locals))


def test_mm_018_a_fingerprint_tells_keys_apart_and_holds_nothing_of_them() -> None:
    """Twelve digits of a digest of the API key alone."""
    other = dataclasses.replace(CANARY_KEYS, api_key=Secret("another"))
    assert CANARY_KEYS.fingerprint() == "c0e339442595" != other.fingerprint()
    assert dataclasses.replace(CANARY_KEYS, secret=Secret("another")).fingerprint() == CANARY_KEYS.fingerprint()


def test_keys_list_all_their_secrets() -> None:
    """With a pass phrase and without."""
    assert CANARY_KEYS.every() == (CANARY_KEYS.api_key, CANARY_KEYS.secret, CANARY_KEYS.password)
    assert dataclasses.replace(CANARY_KEYS, password=None).every() == (CANARY_KEYS.api_key, CANARY_KEYS.secret)


def test_secrets_in_exceptions_a_traceback_with_locals_shows_none() -> None:
    """Python's own, and a log record of it."""
    error = caught_failure()
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret = ***" in shown
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "%s", (HOLDER,), (type(error), error, error.__traceback__))
    assert_no_secret(shown, logging.Formatter().format(record))


def test_secrets_on_crash_screens_rich_shows_none_among_its_locals() -> None:
    """Also with every string at its full length."""
    error, out = caught_failure(), io.StringIO()
    drawn = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=1000, locals_max_length=1000
    )
    Console(file=out, width=400).print(drawn)
    assert "secret = ***" in out.getvalue()
    assert_no_secret(out.getvalue())


class CrashingApp(App[None]):
    """A screen that dies with keys at hand."""

    def on_mount(self) -> None:
        fail_with_secrets_at_hand()


async def test_secrets_on_crash_screens_textual_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own screen draws the locals."""
    with pytest.raises(RuntimeError):
        async with CrashingApp().run_test():
            pass
    out, err = capsys.readouterr()
    assert "secret = ***" in err
    assert_no_secret(out, err)
