"""`[relay]`: which producers' rings are carried, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapewire.config import load
from tapewire.errors import ConfigError
from tapewire.relay import RingName, names


def test_producers_and_clients_of_the_router_are_named_in_one_list(tmp_path: Path) -> None:
    file = tmp_path / "tapewire.toml"
    file.write_text('env = "t"\n[relay]\nout = ["traders", "router/operator"]\n')
    config = load(file, {"TAPEWIRE_RELAY__IN": "operator, router/traders"})
    assert names(config, config.relay.out) == [
        RingName("t", "orders", 0, 2, "traders", 1 << 20),
        RingName("t", "router", 0, 1, "operator", 1 << 16),
    ]
    first, second = names(config, config.relay.inward)
    assert (first.full, first.subject, first.user) == (
        "t/orders.0.1.operator",
        "t.orders.ring.0-operator",
        "relay-orders-0-operator",
    )
    assert second.path(config.folders) == config.folders.router_ring(0, 2, "traders")
    assert second.bell(config.folders) == config.folders.router_bell(0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('out = ["nobody"]', "'nobody' is none of engine.producers; there is operator, traders"),
        ('in = ["router/nobody"]', "'router/nobody' is none of router.clients; there is operator, traders"),
        ('out = ["traders", "traders"]', "expected each once"),
        ('out = ["traders"]\nin = ["traders"]', "traders stands in both out and in"),
        ('out = ["Traders"]', "the name of one of [engine] producers"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "tapewire.toml"
    file.write_text(f"[relay]\n{text}\n")
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    assert said in str(refused.value)
