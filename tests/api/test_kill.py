"""`kill -9` of the API under load: what was acknowledged is on the tape once, and everything can be asked for again."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tapewire import messages as m
from tests.api.client import HttpClient, hmac_sign
from tests.api.stack import SECRETS, Stack, order
from tests.engine_process import PATIENCE_S
from tests.stopped import stopped

THREADS = 4


class Trader(threading.Thread):
    """Places orders one after the other, until it is told to stop; sends what was not answered again, as it was."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(daemon=True)
        self.port, self.label = port, name
        self.stopping = threading.Event()
        self.acknowledged: dict[str, int] = {}
        """OrderID by ClOrdID."""
        self.sent: list[str] = []
        self.resent = 0
        self.failure = ""

    def run(self) -> None:
        try:
            self._trade()
        except Exception as error:  # noqa: BLE001 - told to the test, on whose thread it is raised
            self.failure = repr(error)

    def _trade(self) -> None:
        client, number, cl_ord_id = self._client(), 0, ""
        while not self.stopping.is_set() or cl_ord_id:
            if not cl_ord_id:
                number += 1
                cl_ord_id = f"{self.label}-{number}"
                self.sent.append(cl_ord_id)
            try:
                answer = client.call("POST", "/v1/orders", order(cl_ord_id, qty=f"0.{number % 900 + 1:05}"))
            except (OSError, http.client.HTTPException):
                client.close()
                time.sleep(0.02)
                client = self._client()
                self.resent += 1
                continue
            if answer.status in (202, 503):
                time.sleep(0.02)
                continue
            assert answer.status in (200, 201), answer
            self.acknowledged[cl_ord_id] = answer.body["order_id"]
            cl_ord_id = ""
        client.close()

    def _client(self) -> HttpClient:
        return HttpClient(self.port, "desk", hmac_sign(SECRETS["desk"]), timeout=PATIENCE_S)


def run(folder: Path, kills: int, durability: str, seed: int) -> None:
    chance = random.Random(seed)
    with Stack(folder, durability=durability) as stack:
        traders = [Trader(stack.port, f"t{at}") for at in range(THREADS)]
        for one in traders:
            one.start()
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 0.5))
            stack.kill()
            stack.start(ready=False)
        time.sleep(0.2)
        for one in traders:
            one.stopping.set()
        for one in traders:
            one.join(2 * PATIENCE_S)
            assert not one.is_alive()
            assert one.failure == ""
        client = stack.client()
        placed = [record for record in stack.orders_records() if isinstance(record, m.NewOrder)]
        by_text = {record.client_text: record for record in placed}
        assert [text for text, count in Counter(record.client_text for record in placed).items() if count > 1] == []
        sent = {text for one in traders for text in one.sent}
        acknowledged = {text: number for one in traders for text, number in one.acknowledged.items()}
        assert set(acknowledged) == sent == set(by_text)  # each was sent until it was answered
        assert {text: by_text[text].order_id for text in sent} == acknowledged
        received = {one.cl_ord_id: one for one in stack.own_records() if isinstance(one, m.ApiReceived)}
        for record in placed:
            assert received[record.ts_event].author == "desk"
            assert record.cl_ord_id == record.ts_event
            assert record.session & 0xFFFF == 1
        for text in chance.sample(sorted(sent), min(20, len(sent))):
            (found,) = client.get(f"/v1/orders?account=1&cl_ord_id={text}")["orders"]
            assert (found["order_id"], found["cl_ord_id"]) == (acknowledged[text], text)
        assert sum(one.resent for one in traders) >= kills, "the kills met no request under way"


def test_a_killed_api_loses_nothing_and_sends_nothing_twice(tmp_path: Path) -> None:
    run(tmp_path, 2, "memory", 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_many_kills(tmp_path: Path, durability: str) -> None:
    run(tmp_path, 12, durability, 2)


def test_an_order_that_was_answered_by_nobody_can_be_asked_for_by_its_cl_ord_id(tmp_path: Path) -> None:
    with Stack(tmp_path, api="answer_timeout = 3.0") as stack:
        client = stack.client()
        assert client.call("POST", "/v1/orders", order("a-1")).status == 201
        process = stack.engine.process
        assert process is not None
        with stopped(process.pid):
            late = client.call("POST", "/v1/orders", order("a-2"))
            assert late.status == 202
            assert late.body["cl_ord_id"] == "a-2"
            stack.kill()
        stack.start()
        again = stack.client()
        deadline = time.monotonic() + PATIENCE_S
        while not (found := again.get("/v1/orders?account=1&cl_ord_id=a-2")["orders"]):
            assert time.monotonic() < deadline, "the engine has not taken it"
            time.sleep(0.02)
        assert [one["status"] for one in found] == ["new"]
        assert again.call("POST", "/v1/orders", order("a-2")).status == 200
        assert again.call("POST", "/v1/orders", order("a-2", qty="1.00000")).status == 409
        assert len([one for one in stack.orders_records() if isinstance(one, m.NewOrder)]) == 2
