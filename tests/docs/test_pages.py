"""Links resolve, the reply page names every code, and no page or file tells where it was made."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nenghao.standard import replies

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]
UNTOLD = ["/wo" + "rk/", "/ro" + "ot/", "/opt" + "/pypi", "pypi" + ".org", "python" + "hosted.org"]
"""Parts of a machine's paths and of registry hosts (spelt so that this file passes too)."""


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(h) for h in re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: {target}"


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        if page.name != "index.md":
            assert f"]({page.name})" in index, page.name


def test_both_readmes_have_the_same_sections_and_commands() -> None:
    english, chinese = (
        (ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md")
    )
    for pattern in (r"^#+ ", r"```[a-z]*\n"):
        counts = [len(re.findall(pattern, text, re.MULTILINE)) for text in (english, chinese)]
        assert counts[0] == counts[1], pattern
    commands = [
        [call.strip() for call in re.findall(r"^(?:nenghao|make) [^#\n]*", text, re.MULTILINE)]
        for text in (english, chinese)
    ]
    assert commands[0] == commands[1]


def test_the_errors_page_has_a_section_for_every_code_of_table_1() -> None:
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    for code, words in replies.TABLE_1.items():
        assert f"\n## {code} {words}\n" in text


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        text = path.read_text("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {part}" for part in UNTOLD if part in text]
    assert found == []


def test_pins_carry_hashes_and_no_addresses() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text("utf-8")
        pins = re.findall(r"^[\w.\-]+==", text, re.MULTILINE)
        blocks = re.split(r"\n(?=[\w.\-]+==)", text)
        assert pins, path.name
        assert sum("--hash=sha256:" in block for block in blocks) == len(pins), path.name
        assert re.search(r"^\s*--(?!hash)", text, re.MULTILINE) is None, path.name
        assert "://" not in text, path.name


def test_pinned_versions_agree_between_the_files() -> None:
    """A package may have one version per Python; then it has the same ones in every file."""
    versions: dict[str, set[frozenset[str]]] = {}
    for path in (ROOT / "requirements").glob("*.txt"):
        pinned: dict[str, set[str]] = {}
        for name, version in re.findall(
            r"^([\w.\-]+)==([^\s;]+)", path.read_text("utf-8"), re.MULTILINE
        ):
            pinned.setdefault(name, set()).add(version)
        for name, found in pinned.items():
            versions.setdefault(name, set()).add(frozenset(found))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_the_pins_satisfy_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    sources = ("modbus", "opcua", "mqtt", "sql", "excel")
    assert extras["sources"] == [f"nenghao[{','.join(sources)}]"]
    device = list(project["dependencies"])
    for extra in ("device", "page", "sm", *sources):
        device += extras[extra]
    wanted = {
        "device.txt": device,
        "run.txt": [*device, *extras["platform"]],
        "dev.txt": [*device, *extras["platform"], *extras["dev"]],
    }
    for name, requirements in wanted.items():
        text = (ROOT / "requirements" / name).read_text("utf-8")
        pinned = dict(re.findall(r"^([\w.\-]+)==([^\s;]+)", text, re.MULTILINE))
        for requirement in map(Requirement, requirements):
            version = pinned.get(canonicalize_name(requirement.name))
            assert version is not None, f"{name}: {requirement.name}"
            assert requirement.specifier.contains(version), f"{name}: {requirement} {version}"
