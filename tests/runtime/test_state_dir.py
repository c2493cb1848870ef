"""The state directory: ours alone, on a sound disk, held by one engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.model.errors import SettingsInvalid
from engine.runtime import state_dir as state_dir_module
from engine.runtime.state_dir import copy_aside, file_system_of, open_state_dir, set_aside

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:40 / /mnt/team\\040share rw,relatime shared:2 master:3 - nfs4 host:/export rw
41 40 0:41 / /mnt/team\\040share/local rw,relatime - xfs /dev/vdb rw
42 22 0:42 / /srv rw - ext4 /dev/vdc rw
43 22 0:43 / /srv rw - fuse.sshfs host:/ rw
torn line
"""
HOLDER = """
import sys
from pathlib import Path
from engine.runtime.state_dir import open_state_dir
with open_state_dir(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with open_state_dir(tmp_path / "deep" / "state") as folder:
        assert folder == tmp_path / "deep" / "state"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "engine.lock").stat().st_mode & 0o777 == 0o600
        assert (folder / "engine.lock").read_text() == f"{os.getpid()}\n"


def test_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_state_dir(Path("~/state")) as folder:
        assert folder == tmp_path / "state"


def test_directory_that_others_can_read_is_taken_but_not_one_they_can_write(tmp_path: Path) -> None:
    """Our files in it are closed to others; but who can write there can swap them."""
    tmp_path.chmod(0o755)
    with open_state_dir(tmp_path) as folder:
        assert folder == tmp_path
    tmp_path.chmod(0o775)
    with pytest.raises(SettingsInvalid, match="only its owner can write to it, found mode 775: run chmod 700"):
        open_state_dir(tmp_path).__enter__()


def test_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    foreign = Path("/")
    if os.geteuid() == 0:
        foreign = tmp_path
        os.chown(foreign, 12345, -1)
    with pytest.raises(SettingsInvalid, match=f"expected a directory of user {os.geteuid()}, found one of user"):
        open_state_dir(foreign).__enter__()


def test_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(SettingsInvalid, match=r"expected a directory to write in, found: .*File exists"):
        open_state_dir(tmp_path / "state").__enter__()


def test_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "engine.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(SettingsInvalid, match=r"expected a directory to write in, found: .*engine.lock"):
        open_state_dir(tmp_path).__enter__()
    assert (tmp_path / "victim").read_text() == "precious"


def test_disk_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="expected at least 1000000000000000000 bytes of free space, found"):
        open_state_dir(tmp_path, free_bytes_min=10**18).__enter__()


@pytest.mark.parametrize(
    "folder, kind",
    [
        ("/var/lib/state", "ext4"),
        ("/mnt/team share/state", "nfs4"),
        ("/mnt/team share/local/state", "xfs"),
        ("/mnt/team sharestate", "ext4"),
        ("/srv/state", "fuse.sshfs"),
    ],
)
def test_file_system_is_that_of_the_nearest_mount_made_last(folder: str, kind: str) -> None:
    assert file_system_of(Path(folder), MOUNTS) == kind


def test_file_system_is_unknown_where_the_system_does_not_tell() -> None:
    assert file_system_of(Path("/home"), "") == ""


def test_network_file_system_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:40 / {tmp_path} rw,relatime - nfs4 host:/export rw\n")
    monkeypatch.setattr(state_dir_module, "_MOUNTS", mounts)
    with pytest.raises(SettingsInvalid, match="a disk of this machine, found the network file system nfs4"):
        open_state_dir(tmp_path / "state").__enter__()


def test_second_engine_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    with open_state_dir(tmp_path):
        second = subprocess.run([sys.executable, "-c", HOLDER, tmp_path], capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stdout == ""
    assert f"expected no other engine here, found one running as process {os.getpid()}" in second.stderr
    assert "attach to it, stop it, or use another --state-dir" in second.stderr


def test_two_engines_in_one_process_are_refused_too_and_the_first_keeps_its_hold(tmp_path: Path) -> None:
    with open_state_dir(tmp_path):
        for _ in range(2):
            with pytest.raises(SettingsInvalid, match=f"running as process {os.getpid()}"):
                open_state_dir(tmp_path).__enter__()
    with open_state_dir(tmp_path) as folder:
        assert folder == tmp_path


def test_hold_of_a_killed_engine_is_free_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(SettingsInvalid, match=f"running as process {first.pid}:"):
            open_state_dir(tmp_path).__enter__()
        first.kill()
    with open_state_dir(tmp_path) as folder:
        assert (folder / "engine.lock").read_text() == f"{os.getpid()}\n"


def test_fresh_start_keeps_both_databases_with_their_parts_in_a_dated_folder(tmp_path: Path) -> None:
    names = ["journal.db", "journal.db-wal", "journal.db-shm", "exchange.db", "exchange.db-wal"]
    for name in [*names, "gridwright.log"]:
        (tmp_path / name).write_text(name)
    aside = set_aside(tmp_path, at_ms=1_583_020_800_999)
    assert aside == tmp_path / "aside" / "2020-03-01T000000Z"
    assert sorted(path.name for path in aside.iterdir()) == sorted(names)
    assert (aside / "journal.db-wal").read_text() == "journal.db-wal"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aside", "gridwright.log"]
    assert aside.stat().st_mode & 0o777 == 0o700


def test_fresh_starts_in_one_second_do_not_meet(tmp_path: Path) -> None:
    for name in ("2020-03-01T000000Z", "2020-03-01T000000Z-2", "2020-03-01T000000Z-3"):
        (tmp_path / "journal.db").write_text(name)
        assert set_aside(tmp_path, at_ms=1_583_020_800_000) == tmp_path / "aside" / name
        assert (tmp_path / "aside" / name / "journal.db").read_text() == name


def test_fresh_start_of_an_empty_directory_leaves_no_trace(tmp_path: Path) -> None:
    assert set_aside(tmp_path, at_ms=0) is None
    assert list(tmp_path.iterdir()) == []


def test_file_that_cannot_be_set_aside_is_told_and_stays(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("books")
    (tmp_path / "aside").write_text("in the way")
    with pytest.raises(SettingsInvalid, match=r"cannot set the journal aside: .*aside"):
        set_aside(tmp_path, at_ms=0)
    assert (tmp_path / "journal.db").read_text() == "books"


def test_directory_that_cannot_be_made_is_told_whoever_we_are() -> None:
    with pytest.raises(SettingsInvalid, match=r"state_dir /proc/gridwright: expected a directory to write in, found: "):
        open_state_dir(Path("/proc/gridwright")).__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the system's own user")
def test_directory_without_permission_to_write_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o500)
    with pytest.raises(SettingsInvalid, match="expected a directory to write in, found: Permission denied"):
        open_state_dir(tmp_path / "state").__enter__()


def test_copy_kept_aside_leaves_the_files_where_they_are(tmp_path: Path) -> None:
    for name in ("journal.db", "journal.db-wal"):
        (tmp_path / name).write_text(name)
    aside = copy_aside(tmp_path, ("journal.db", "journal.db-wal", "journal.db-none"), at_ms=1_583_020_800_000)
    assert aside == tmp_path / "aside" / "2020-03-01T000000Z"
    assert {path.name: path.read_text() for path in aside.iterdir()} == {
        "journal.db": "journal.db",
        "journal.db-wal": "journal.db-wal",
    }
    assert {path.stat().st_mode & 0o777 for path in aside.iterdir()} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aside", "journal.db", "journal.db-wal"]


def test_copy_that_cannot_be_made_whole_leaves_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("books")
    (tmp_path / "journal.db-wal").mkdir()
    with pytest.raises(SettingsInvalid, match="cannot keep a copy aside: "):
        copy_aside(tmp_path, ("journal.db", "journal.db-wal"), at_ms=0)
    assert list((tmp_path / "aside").iterdir()) == []
    assert (tmp_path / "journal.db").read_text() == "books"
