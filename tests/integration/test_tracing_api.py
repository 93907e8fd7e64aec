"""One order over HTTP is one trace: in the client's context, with the span that the answer names as its root."""

from __future__ import annotations

import json
from pathlib import Path

from services.flusher.sinks.kafka.contexts import Contexts
from services.flusher.sinks.kafka.records import rows
from services.flusher.sinks.target import Position
from tapewire import config
from tapewire import messages as m
from tests.api.stack import Stack
from tests.exported_traces import compare
from tests.integration.test_tracing import SPAN, TRACE, by_name, monitor
from tests.otlp_receiver import OtlpReceiver

BODY = {
    "cl_ord_id": "h1",
    "account": 1,
    "ticker": "BRK.B",
    "side": "buy",
    "type": "limit",
    "price": "100.00",
    "qty": "3",
    "time_in_force": "gtc",
}


def test_an_order_over_http_is_one_trace_whose_root_the_answer_names(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack, OtlpReceiver() as collector, monitor(stack, collector.url, sample=0):
        client, body = stack.client(), json.dumps(BODY).encode()
        headers = client.headers("POST", "/v1/orders", body) | {"traceparent": f"00-{TRACE}-{SPAN}-01"}
        answer = client.send("POST", "/v1/orders", body, headers)
        assert answer.status == 201
        spans = collector.wait(lambda all: len(by_name(all, TRACE)) == 5)
    found = by_name(spans, TRACE)
    root = found["order"]
    assert answer.headers["traceparent"] == f"00-{TRACE}-{root.span_id}-01"
    assert (root.parent_id, root.service) == (SPAN, "tapewire api")
    assert sorted(found) == sorted(["order", "edge", "ring", "risk, sequence, match", "ack"])
    assert {name for name, span in found.items() if span.service == "tapewire api"} == {"order", "edge", "ack"}
    assert root.start == found["edge"].start
    assert found["edge"].end == found["ring"].start
    assert found["ack"].end == root.end
    at = {key.removeprefix("tapewire."): value for key, value in root.attributes.items()}
    assert (at["door"], at["operation"], at["author"], at["answer"]) == ("http", "POST /v1/orders", "desk", "201")
    assert (at["cl_ord_id"], at["ticker"], at["price"], at["qty"]) == ("h1", "BRK.B", "100.00", "3")


def test_kafka_names_the_trace_and_root_span_of_a_request_as_its_answer_and_the_tracer_do(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack, OtlpReceiver() as collector, monitor(stack, collector.url, sample=0, slow=1e-9):
        client, answers = stack.client(), list[str]()
        for number, context in enumerate(({}, {"traceparent": f"00-{TRACE}-{SPAN}-01"})):
            body = json.dumps(BODY | {"cl_ord_id": f"k{number}"}).encode()
            answer = client.send("POST", "/v1/orders", body, client.headers("POST", "/v1/orders", body) | context)
            assert answer.status == 201
            answers.append(answer.headers["traceparent"])
        traces = [text.split("-")[1] for text in answers]
        spans = collector.wait(lambda got: all("order" in by_name(got, trace) for trace in traces))
        requests = [one for one in stack.own_records() if isinstance(one, m.ApiReceived)]
        commands = [one for one in stack.orders_records() if isinstance(one, m.NewOrder) and one.cl_ord_id]
        doors = compare(config.load(stack.engine.config))
    assert doors["http carried"] == 2
    made = rows([bytes(one) for one in requests], 1, Position(), Contexts(Path("api.0"), "-", 0))
    assert [dict(row.headers)["traceparent"].decode() for row in made] == answers
    roots = [by_name(spans, trace)["order"].span_id for trace in traces]
    assert [text.split("-")[2] for text in answers] == roots
    assert [one.span_is_ts_event for one in commands[-2:]] == [True, True]
    assert roots == [f"{one.ts_event:016x}" for one in commands[-2:]]
