"""What a real Jaeger says of one order's trace, asked by its query API."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import jaeger_process
from tests.fix.processes import skip_reason
from tests.fix.stack import Stack
from tests.integration.test_tracing import SPAN, TRACE, monitor, order
from tests.jaeger_process import Jaeger

REASON = jaeger_process.skip_reason() or skip_reason()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON or "-")


def test_an_order_is_one_trace_over_all_services(tmp_path: Path) -> None:
    with Jaeger(tmp_path) as jaeger, Stack(tmp_path) as stack, monitor(stack, jaeger.otlp_url, sample=0):
        client = stack.client("ORDERS-44")
        client.send("D", order("rests", 2, "100.00", 5))
        client.expect("8", where=[(150, "0")])
        client.send("D", order("takes", 1, "100.00", 3, f"00-{TRACE}-{SPAN}-01"))
        client.expect("8", where=[(150, "0"), (11, "takes")])
        client.send("D", order("refused", 1, "1000.00", 3))
        client.expect("8", where=[(150, "8")])
        trace = jaeger.trace(TRACE, spans=4)
        refused = jaeger.search(
            service="tapewire gateway", tags='{"tapewire.reject.reason":"price_band"}', lookback="1h"
        )
    spans = {span["operationName"]: span for span in trace["spans"]}
    assert set(spans) == {"order", "ring", "risk, sequence, match", "ack"}
    services = {name: trace["processes"][span["processID"]]["serviceName"] for name, span in spans.items()}
    assert services["order"] == services["ack"] == "tapewire gateway"
    assert services["ring"] == services["risk, sequence, match"] == "tapewire engine"
    root = spans["order"]["spanID"]
    for name in ("ring", "risk, sequence, match", "ack"):
        assert spans[name]["references"] == [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": root}]
    assert {log["fields"][0]["value"] for log in spans["order"]["logs"]} >= {"order_accepted", "fill"}
    tags = {tag["key"]: tag["value"] for tag in spans["order"]["tags"]}
    assert (tags["tapewire.cl_ord_id"], tags["tapewire.price"], tags["tapewire.side"]) == ("takes", "100.00", "buy")
    errors = [span for one in refused for span in one["spans"] if span["operationName"] == "order"]
    assert len(errors) == 1
    why = {tag["key"]: tag["value"] for tag in errors[0]["tags"]}
    assert (why["tapewire.reject.reason"], why["tapewire.reject.value"]) == ("price_band", 100000)
