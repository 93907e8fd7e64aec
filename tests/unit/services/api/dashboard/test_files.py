"""The dashboard's files: what is served, under which policy, and what they must not hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from services.api.dashboard import files
from services.api.dashboard.files import FOLDER

SCRIPTS = sorted(FOLDER.glob("js/*.js"))
LONGEST = 300  # lines of a module


def test_the_policy_allows_what_is_ours_and_the_stream() -> None:
    assert files.policy("wss://desk.example.com:8801") == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' wss://desk.example.com:8801; "
        "img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )


def test_without_what_is_fetched_one_page_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>the dashboard")
    assert "make dashboard" in files.missing(tmp_path)
    found = files.load(tmp_path)
    assert list(found) == [""]
    assert files.missing(tmp_path).encode() in found[""].body
    assert found[""].media_type == "text/html; charset=utf-8"


def test_only_what_a_browser_needs_is_served_and_only_from_the_folder(tmp_path: Path) -> None:
    for name in ("index.html", "icon.svg", "js/app.js", "css/base.css", "files.py", "package.json", "js/.hidden.js"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "vendor").mkdir()
    for name in files.NEEDED:
        (tmp_path / "vendor" / name).write_text(name)
    served = set(files.load(tmp_path))
    assert served - {"js/.hidden.js"} == {
        *("", "index.html", "icon.svg", "js/app.js", "css/base.css"),
        *(f"vendor/{name}" for name in files.NEEDED),
    }


def test_an_etag_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("one")
    first = files.load(tmp_path)[""]
    assert files.load(tmp_path)[""] == first
    assert re.fullmatch(r'"[0-9a-f]{32}"', first.etag)


def test_the_page_has_no_script_and_no_style_in_it() -> None:
    page = (FOLDER / "index.html").read_text()
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page) == []
    assert re.findall(r'(?:src|href)="(?!css/|js/|vendor/|icon\.svg)', page) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_module_fits_the_head_and_makes_no_markup_of_text(script: Path) -> None:
    text = script.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySet|\beval\(|new Function", text)
        == []
    )
    assert re.findall(r"\sstyle=\"|\bsetAttribute\(\"style", text) == []
    assert re.findall(r"https?://(?!www\.tradingview\.com/)", text) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_import_of_a_module_is_there(script: Path) -> None:
    for name in re.findall(r'from "(\.[^"]+)"', script.read_text()):
        if "/vendor/" in name:
            assert Path(name).name in files.NEEDED
        else:
            assert (script.parent / name).exists(), name


def test_the_lock_names_no_host_and_has_a_hash_for_each_package() -> None:
    text = (FOLDER / "package-lock.json").read_text()
    assert "://" not in text
    lock = json.loads(text)
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert {"node_modules/preact", "node_modules/htm", "node_modules/uplot", "node_modules/lightweight-charts"} <= set(
        packages
    )
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
