"""The example of docs/latest.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.folders import Folders
from tapewire.latest import LatestWriter

DOCUMENT = Path(__file__).parents[4] / "docs" / "latest.md"


def test_the_example_shows_what_was_put(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    Folders(tmp_path).rings.mkdir()
    with LatestWriter(Folders(tmp_path).latest("house")) as page:
        live = m.BookQuality.live
        terms = {"seq": 1, "instrument": 1, "ticker": "BTCUSDT", "price_exponent": -2, "quality": live}
        page.put(bytes(m.Quote(bid_price=64_000_12, bid_qty=5, **terms)))
        page.put(bytes(m.Trade(price=64_001_00, qty=1, **terms)))
        exec(compile(example, str(DOCUMENT), "exec"), {"data": tmp_path})
    assert capsys.readouterr().out == "6400012 -2 live\n[6400100]\n['BTCUSDT']\n"
