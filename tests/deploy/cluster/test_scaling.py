"""The API grows by itself and never shrinks by itself; a connector is given more CPU as it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.cluster.market import PODS, SETS, SPACE, Market
from tests.deploy.cluster.metrics import served
from tests.deploy.cluster.test_placement import PAGE
from tools.cluster import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
AUTOSCALER = f"/apis/autoscaling/v2/namespaces/{SPACE}/horizontalpodautoscalers/api"


def conditions(market: Market) -> dict[str, str]:
    status = market.client.get(AUTOSCALER).get("status", {})
    return {one["type"]: f"{one['status']} {one['reason']}" for one in status.get("conditions", ())}


def replicas(market: Market) -> int:
    return int(market.client.get(f"{SETS}/api")["spec"]["replicas"])


def test_the_api_grows_to_four_pods_under_load_and_keeps_them(market: Market, tmp_path: Path) -> None:
    market.apply("overlays/prod")
    market.settle()
    load = ["950m"]  # of the one CPU that the container asks for; others of the pod do not count

    def usage() -> dict[str, dict[str, str]]:
        return {name: {"api": load[0], "relay": "10m"} for name in Market(market.cluster).pods("api")}

    with served(market.client, tmp_path / "tls", usage):
        wait_until("metrics are read", lambda: conditions(market).get("ScalingActive", "").startswith("True"), 60)
        wait_until("a third pod", lambda: replicas(market) == 3, 100)
        wait_until("a fourth pod", lambda: replicas(market) == 4, 100)
        wait_until("no fifth", lambda: conditions(market)["ScalingLimited"] == "True TooManyReplicas", 30)
        market.settle()
        load[0] = "10m"
        wait_until("idle", lambda: _utilization(market) < 5, 30)
        # As the next release would be applied, which goes on with what the autoscaler made.
        market.apply("overlays/prod")
        with pytest.raises(TimeoutError):
            wait_until("fewer pods", lambda: replicas(market) < 4, 15)
        assert set(market.pods("api")) == {"api-0", "api-1", "api-2", "api-3"}


def _utilization(market: Market) -> int:
    metrics: list[dict[str, Any]] = market.client.get(AUTOSCALER)["status"].get("currentMetrics") or []
    return int(metrics[0]["containerResource"]["current"].get("averageUtilization", 100)) if metrics else 100


def test_a_connector_is_given_more_cpu_as_it_runs(running: Market) -> None:
    [line] = re.findall(r"^    kubectl -n tapewire (patch pod connector-binance-0 .*)$", PAGE, re.MULTILINE)
    *arguments, patch = line.replace("'", "").split(" ", 6)
    before = running.pods()["connector-binance-0"]["metadata"]["uid"]
    running.cluster.kubectl("-n", SPACE, *arguments, patch)
    pod = running.client.get(f"{PODS}/connector-binance-0")
    assert pod["metadata"]["uid"] == before
    assert pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "2"
