"""A ban outlives a restart, and damage to its file does not make one."""

from pathlib import Path

import pytest

from engine.exchange.foreign.requests.bans import Bans

NOW_MS = 1_795_305_600_000
LONGEST_MS = 3 * 86_400_000


def test_rel_27_a_ban_is_still_known_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "bans.json"
    Bans(file, now_ms=NOW_MS).extend(NOW_MS + 7_200_000)
    assert Bans(file, now_ms=NOW_MS + 1).until_ms == NOW_MS + 7_200_000


def test_a_ban_is_never_made_shorter(tmp_path: Path) -> None:
    bans = Bans(tmp_path / "bans.json", now_ms=NOW_MS)
    bans.extend(NOW_MS + 60_000)
    bans.extend(NOW_MS + 1_000)
    assert bans.until_ms == NOW_MS + 60_000


def test_without_a_file_nothing_is_kept_and_nothing_is_banned() -> None:
    assert Bans(None, now_ms=NOW_MS).until_ms == 0


@pytest.mark.parametrize(
    "damage",
    [
        *("", "{", "[]", "7", '{"until_ms": null}', '{"until_ms": "soon"}', '{"until_ms": 1e999}'),
        *('{"until_ms": NaN}', "[" * 100_000),
    ],
)
def test_a_damaged_file_is_no_ban(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "bans.json"
    file.write_text(damage, "utf-8")
    assert Bans(file, now_ms=NOW_MS).until_ms == 0


def test_a_file_that_is_no_text_is_no_ban(tmp_path: Path) -> None:
    file = tmp_path / "bans.json"
    file.write_bytes(b"\xff\xfe\x00")
    assert Bans(file, now_ms=NOW_MS).until_ms == 0


def test_a_ban_of_more_than_three_days_is_damage(tmp_path: Path) -> None:
    file = tmp_path / "bans.json"
    file.write_text('{"until_ms": 99999999999999}', "utf-8")
    assert Bans(file, now_ms=NOW_MS).until_ms == NOW_MS + LONGEST_MS


def test_a_folder_that_cannot_be_written_bans_all_the_same(tmp_path: Path) -> None:
    bans = Bans(tmp_path / "missing" / "bans.json", now_ms=NOW_MS)
    bans.extend(NOW_MS + 5_000)
    assert bans.until_ms == NOW_MS + 5_000
