"""Takes the pictures of docs/dashboard.md from a running demo: `python -m tests.browser.pictures [--dir DATA]`.

The demo should have run for some minutes, so that there is a past to show.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import click
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tapewire import config as configuration
from tapewire.demo import web
from tapewire.errors import TapewireError
from tapewire.fix.auth import read_secret
from tests.browser.desk import ARGUMENTS, Desk, chromium

DOCS = Path(__file__).resolve().parents[2] / "docs"
LARGEST = 250_000  # bytes of a picture
COLOURS = 255
SETTINGS = 'localStorage.setItem("tapewire.settings", JSON.stringify({interval: "5s", confirm: false}))'
HISTORY_MS = 100_000  # until the depth map is full
MOMENT_MS = 1_500


def take(browser: Browser, port: int, password: str, theme: Any, keys: list[str], wait_ms: int) -> bytes:
    """The page after `keys`, `wait_ms` after it was entered."""
    desk = Desk(browser, port, theme=theme)
    try:
        desk.context.add_init_script(SETTINGS)
        desk.enter(web.USER, password)
        desk.page.wait_for_timeout(wait_ms)
        for key in keys:
            desk.press(key)
        desk.page.wait_for_timeout(MOMENT_MS)
        return desk.page.screenshot()
    finally:
        desk.close()


def write(name: str, png: bytes) -> None:
    """With few colours: what a screen shows needs no more, and it is a third of the size."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    # By coverage: what is rare, as the mark of an own order, keeps its colour.
    picture = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    path = DOCS / name
    picture.save(path, optimize=True)
    size = path.stat().st_size
    click.echo(f"{path.relative_to(DOCS.parent)}: {size:,} bytes")
    if size > LARGEST:
        raise TapewireError(f"{path}: {size:,} bytes; at most {LARGEST:,} are kept in the repository")


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(".tapewire/demo"), show_default=True)
def main(folder: Path) -> None:
    """Dark: the trading workspace. Light: the platform."""
    path = chromium()
    if path is None:
        raise TapewireError("there is no Chromium on PATH")
    port = configuration.load(folder / "demo.toml").api.port
    password = read_secret(web.folder(folder) / "password").decode()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        write("dashboard-dark.png", take(browser, port, password, "dark", ["b", "0", ".", "2", "5"], HISTORY_MS))
        write("dashboard-light.png", take(browser, port, password, "light", ["2"], HISTORY_MS))
        browser.close()


if __name__ == "__main__":
    main()
