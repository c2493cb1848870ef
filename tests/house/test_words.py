"""Words: no file names a package registry, or a place on somebody's machine; the locks name no address."""

import re
from collections.abc import Iterator

import pytest

from tests.house.sources import TOP, Source, offences, report, tracked_paths

# Each pattern is written so that it does not find itself.
REGISTRY = re.compile(
    r"\bpyp[i]\.(?:org|python\.org)|python[h]osted\.|\bregistry\.npm[j]s|\bnpm[j]s\.(?:org|com)|\bdeb\.debia[n]\.org"
    r"|\bcrate[s]\.io|\bproxy\.golan[g]\.org|\banacond[a]\.(?:org|com)",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(r"(?<![\w.~/$}-])/(?:home|root|work|Users|opt)/[\w.]|\b[A-Z]:\\[U]sers\\")
ADDRESS = re.compile(r"://|--(?:extra-)?index-url|--trusted-host|--find-links| @ ")


def registries(source: Source) -> Iterator[str]:
    """Lines that name the host of a package registry."""
    yield from _lines_with(source, REGISTRY, "names a package registry")


def machine_paths(source: Source) -> Iterator[str]:
    """Lines that name a home or work folder of a machine."""
    yield from _lines_with(source, MACHINE_PATH, "names a place on one machine")


def addresses(source: Source) -> Iterator[str]:
    """Lines of a lock that say where to get a package."""
    yield from _lines_with(source, ADDRESS, "says where to get a package; a lock says only what")


def _lines_with(source: Source, pattern: re.Pattern[str], what: str) -> Iterator[str]:
    for number, line in enumerate(source.lines(), start=1):
        if match := pattern.search(line):
            yield f"{source.path}:{number}: {what}: {match.group()!r}"


def text_sources() -> list[Source]:
    """Every tracked file that is text."""
    contents = ((path, (TOP / path).read_bytes()) for path in tracked_paths())
    return [Source(path, data.decode("utf-8")) for path, data in contents if b"\0" not in data]


def locks() -> list[Source]:
    """The lock files."""
    return [source for source in text_sources() if source.path.endswith(".lock")]


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is a setting of the machine."""
    found = offences(registries, text_sources())
    assert not found, report(found)


def test_no_file_names_a_place_on_one_machine() -> None:
    """What runs here runs anywhere."""
    found = offences(machine_paths, text_sources())
    assert not found, report(found)


def test_the_locks_name_no_address() -> None:
    """A mirror serves as well as the original."""
    found = offences(addresses, locks())
    assert not found, report(found)


def test_every_locked_package_has_a_version_and_hashes() -> None:
    """Both locks, so that `--require-hashes` is met on every machine."""
    assert [lock.path for lock in locks()] == ["requirements-dev.lock", "requirements.lock"]
    for lock in locks():
        entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", lock.text, flags=re.MULTILINE).strip())
        loose = [
            entry for entry in entries if not re.match(r"[a-z0-9-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", entry)
        ]
        assert loose == []


def test_the_development_lock_holds_everything_of_the_other_at_the_same_version() -> None:
    """What is tested is what runs."""
    development, runtime = (set(re.findall(r"^[a-z0-9-]+==\S+", lock.text, re.MULTILINE)) for lock in locks())
    assert runtime - development == set()


@pytest.mark.parametrize("host", ["py" + "pi.org", "files.python" + "hosted.org", "registry.npm" + "js.org"])
def test_a_planted_registry_is_named(host: str) -> None:
    """The line is named, and the host."""
    found = offences(registries, [Source("README.md", f"Install it\nfrom https://{host}/simple")])
    assert len(found) == 1
    assert found[0].startswith("README.md:2: names a package registry")


@pytest.mark.parametrize("folder", ["home", "root", "work", "Users", "opt"])
def test_a_planted_machine_path_is_named(folder: str) -> None:
    """Where it stands on the line does not matter."""
    text = f"first\nstate_dir = '/{folder}/someone'\n/{folder}/someone"
    found = offences(machine_paths, [Source("config.toml", text)])
    assert [offence.split(": ")[0] for offence in found] == ["config.toml:2", "config.toml:3"]


@pytest.mark.parametrize("text", ["~/.local/state", "../work/x", "https://host/home/page", "frame/work/x", "/tmp/x"])
def test_a_path_that_every_machine_has_is_no_offence(text: str) -> None:
    """Nor is a piece of an address."""
    assert offences(machine_paths, [Source("README.md", text)]) == []


def test_a_planted_address_in_a_lock_is_named() -> None:
    """As an option and as a direct reference."""
    text = "--index-url x\nnumpy==2.4.6 \\\nrich @ file"
    found = offences(addresses, [Source("requirements.lock", text)])
    assert [offence.split(": ")[0] for offence in found] == ["requirements.lock:1", "requirements.lock:3"]
