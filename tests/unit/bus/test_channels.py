"""The table of channels against what it is made of, and what is made of it."""

from __future__ import annotations

import json
from pathlib import Path

from tapewire import messages as m
from tapewire.bus import generate
from tapewire.bus.channels import CHANNELS
from tapewire.house import FOLDS

ROOT = Path(__file__).resolve().parents[3]


def test_what_is_generated_from_the_table_is_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
    references: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            references.extend(v for k, v in value.items() if k == "$ref")
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    assert len(references) > 100
    for reference in set(references):
        at = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]
        assert at


def test_every_private_report_is_in_the_table() -> None:
    """What the fold publishes to accounts, by the fold's own list."""
    told = next(channel for channel in CHANNELS if channel.name == "house.exec").messages
    folded = {m.MessageType(kind) for kind in FOLDS}
    market = {
        *(m.MessageType.instrument_definition, m.MessageType.instrument_status_changed),
        *(m.MessageType.limit_state_changed, m.MessageType.auction_indicated),
    }
    assert {cls.TYPE for cls in told} == folded - market
