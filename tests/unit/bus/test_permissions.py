"""Who may do what, read off the table: the cases a person would ask about."""

from __future__ import annotations

import pytest

from tapewire.bus.permissions import (
    SERVICES,
    Permissions,
    of_account,
    of_connector,
    of_feed_replica,
    of_latest,
    of_ring,
    of_service,
    of_subscriber,
    users,
)
from tapewire.subjects import matches

ENV = "prod"


def may(subjects: tuple[str, ...], subject: str) -> bool:
    return any(matches(pattern, subject) for pattern in subjects)


CASES = [
    (of_connector(ENV, "binance"), "publish", "prod.binance.trade.BTCUSDT", True),
    (of_connector(ENV, "binance"), "publish", "prod.house.trade.BTCUSDT", False),
    (of_connector(ENV, "binance"), "publish", "prod.kraken.trade.BTCUSDT", False),
    (of_connector(ENV, "binance"), "publish", "prod.ops.health.journal", False),
    (of_service(ENV, "journal"), "publish", "prod.house.book.BTCUSDT", True),
    (of_service(ENV, "journal"), "publish", "prod.binance.book.BTCUSDT", False),
    (of_service(ENV, "journal"), "publish", "prod.orders.tape.0", True),
    (of_service(ENV, "journal"), "publish", "prod.orders.command.7", False),
    (of_service(ENV, "api"), "subscribe", "prod.orders.command.7", True),
    (of_service(ENV, "api"), "publish", "prod.house.trade.BTCUSDT", False),
    (of_service(ENV, "router"), "publish", "prod.router.parent.7", True),
    (of_subscriber(ENV), "subscribe", "prod.kraken.book.BTC=2FUSD", True),
    (of_subscriber(ENV), "subscribe", "prod.house.exec.7", False),
    (of_subscriber(ENV), "subscribe", "prod.orders.tape.0", False),
    (of_subscriber(ENV), "subscribe", "prod.house.exec.*", False),
    (of_subscriber(ENV), "subscribe", "_INBOX.journal.x", False),
    (of_subscriber(ENV), "publish", "prod.house.trade.BTCUSDT", False),
    (of_subscriber(ENV), "publish", "prod.orders.command.7", False),
    (of_latest(ENV), "subscribe", "prod.kraken.book.BTC=2FUSD", True),
    (of_latest(ENV), "subscribe", "prod.house.status.BTCUSDT", True),
    (of_latest(ENV), "publish", "prod.house.snapshot.BTCUSDT", True),
    (of_latest(ENV), "subscribe", "prod.house.exec.7", False),
    (of_latest(ENV), "subscribe", "prod.house.auction.BTCUSDT", False),
    (of_latest(ENV), "publish", "prod.house.trade.BTCUSDT", False),
    (of_latest(ENV), "publish", "prod.orders.command.7", False),
    (of_latest(ENV), "publish", "prod.ops.schema.layout", False),
    (of_account(ENV, 7), "publish", "prod.orders.command.7", True),
    (of_account(ENV, 7), "publish", "prod.orders.command.8", False),
    (of_account(ENV, 7), "subscribe", "prod.house.exec.7", True),
    (of_account(ENV, 7), "subscribe", "prod.house.exec.8", False),
    (of_account(ENV, 7), "publish", "prod.orders.history.8", False),
    (of_ring(ENV, "orders", "0-gateway"), "publish", "prod.orders.ring.0-gateway", True),
    (of_ring(ENV, "orders", "0-gateway"), "publish", "prod.orders.ring.0-api-operator", False),
    (of_ring(ENV, "orders", "0-gateway"), "publish", "prod.router.ring.0-gateway", False),
    (of_ring(ENV, "orders", "0-gateway"), "subscribe", "prod.orders.ring.0-gateway", False),
    (of_service(ENV, "relay"), "subscribe", "prod.orders.ring.0-gateway", True),
    (of_service(ENV, "relay"), "publish", "prod.orders.ring.0-gateway", False),
    (of_account(ENV, 7), "publish", "prod.orders.ring.0-api", False),
    (of_feed_replica(ENV, "binance"), "publish", "prod.tape.frames.md=2Ebinance", True),
    (of_feed_replica(ENV, "binance"), "publish", "$JS.API.STREAM.CREATE.TAPE_prod_md=2Ebinance", True),
    (of_feed_replica(ENV, "binance"), "subscribe", "prod.tape.fetch.md=2Ebinance", True),
    (of_feed_replica(ENV, "binance"), "publish", "prod.tape.frames.orders=2E0", False),
    (of_feed_replica(ENV, "binance"), "publish", "prod.tape.claim.md=2Ebinance", False),
    (of_feed_replica(ENV, "binance"), "publish", "$JS.API.STREAM.UPDATE.TAPE_prod_orders=2E0", False),
    (of_feed_replica(ENV, "binance"), "publish", "prod.binance.trade.BTCUSDT", False),
    (of_service(ENV, "replica", ["md.binance"]), "publish", "prod.tape.frames.md=2Ebinance", True),
    (of_service(ENV, "replica"), "publish", "prod.tape.frames.md=2Ebinance", False),
]


@pytest.mark.parametrize(("who", "what", "subject", "allowed"), CASES)
def test_nobody_may_do_more_or_less_than_it_needs(who: Permissions, what: str, subject: str, allowed: bool) -> None:
    assert may(getattr(who, what), subject) is allowed


def test_only_one_service_answers_or_speaks_on_what_is_our_own() -> None:
    for subject in ("prod.house.trade.X", "prod.orders.tape.0", "prod.router.parent.1"):
        assert len([name for name in SERVICES if may(of_service(ENV, name).publish, subject)]) == 1, subject


def test_everybody_has_an_inbox_of_its_own() -> None:
    inboxes = [p for _, may in users(ENV, ["binance", "kraken"], [1, 2]) for p in may.subscribe if p[:6] == "_INBOX"]
    assert len(inboxes) == len(set(inboxes)) == len(SERVICES) + 2 * 2 + 3 + 2
