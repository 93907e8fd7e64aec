"""An orders tape that was cut, as after damage: what was answered of its tail is void, and no longer told."""

from __future__ import annotations

from pathlib import Path

from tapewire import messages as m
from tapewire.tape import cut
from tests.api.stack import Stack, order
from tests.engine_process import PATIENCE_S


def test_an_answer_that_the_tape_has_lost_is_not_given_again(tmp_path: Path) -> None:
    """The OrderID that it told is another account's by now."""
    with Stack(tmp_path) as stack:
        client = stack.client()
        assert client.call("POST", "/v1/orders", order("kept")).status == 201
        told = client.call("POST", "/v1/orders", order("lost")).body["order_id"]
        (command,) = [
            one for one in stack.orders_records() if isinstance(one, m.NewOrder) and one.client_text == "lost"
        ]
        stack.engine.kill()
        cut(stack.engine.tape, command.seq, tmp_path / "backup")
        stack.engine.start()
        assert stack.process is not None
        stack.process.wait(PATIENCE_S)
        assert "lost its tail" in stack.log.read_text()
        stack.start()
        foreign = stack.client("other").call("POST", "/v1/orders", order("theirs", account=2))
        assert foreign.body["order_id"] == told
        assert stack.client().call("POST", "/v1/orders", order("kept")).status == 200
        again = stack.client().call("POST", "/v1/orders", order("lost"))
        assert (again.status, again.body["account"], again.body["cl_ord_id"]) == (201, 1, "lost")
