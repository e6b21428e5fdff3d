"""The dashboard and the alert rules name metrics that exist, and a real Prometheus finds data behind each query."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests import ROOT
from tests.app.processes import Running, running
from tests.waiting import PATIENCE_SECONDS, wait_until

MONITORING = ROOT / "configs" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
ALERTS = (MONITORING / "alerts.yml").read_text()

EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
NAME = re.compile(r"\b(?:coterie|process|python)_\w+")
LABELLED = re.compile(r"\b(coterie_\w+)\{([^}]*)\}")

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus and promtool are not installed (Debian: apt-get install prometheus)",
)


def alert_expressions() -> str:
    """The file without its texts for people."""
    return "\n".join(line for line in ALERTS.splitlines() if not re.match(r"\s*(summary|description|#)", line))


@pytest.mark.anyio
async def test_only_metrics_and_labels_that_exist_are_named(api: httpx.AsyncClient) -> None:
    await api.put("/v1/meta/a", content=b"x")
    families = list(parse_text((await api.get("/metrics")).text))
    text = "\n".join([*EXPRESSIONS, alert_expressions()])
    # Of other live nodes, of which there are none here.
    known = {sample.name for family in families for sample in family.samples} | {family.name for family in families}
    used = set(NAME.findall(text))
    assert len(used) > 40
    assert used - known == set()
    labels: dict[str, dict[str, set[str]]] = {}
    for family in families:
        for sample in family.samples:
            for label, value in sample.labels.items():
                labels.setdefault(sample.name, {}).setdefault(label, set()).add(value)
    for name, chosen in LABELLED.findall(text):
        for label, value in re.findall(r'(\w+)="([^"$]*)"', chosen):
            if label == "quantile" or value == "5xx":
                continue  # of other nodes, and of requests that failed: none here
            assert value in labels[name][label], f'{name}{{{label}="{value}"}}'


def test_every_alert_says_what_it_means_and_how_much_it_matters() -> None:
    alerts = re.split(r"- alert: ", ALERTS)[1:]
    assert len(alerts) == len({alert.split()[0] for alert in alerts}) > 10
    for alert in alerts:
        assert re.search(r"severity: (page|ticket)\}", alert), alert
        assert "summary: " in alert, alert
        assert "description: " in alert, alert


@needs_prometheus
def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    for what in (["rules", "alerts.yml"], ["config", "prometheus.yml"]):
        checked = subprocess.run(["promtool", "check", *what], cwd=MONITORING, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_prometheus
def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    shutil.copy(MONITORING / "alerts.yml", tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    tested = subprocess.run(
        ["promtool", "test", "rules", "alerts_test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def url(node: Running) -> str:
    host, port = node.address
    return f"http://{host}:{port}"


@contextmanager
def prometheus(directory: Path, targets: list[str]) -> Iterator[str]:
    """Scrapes the targets every second, under the rules that are delivered; yields its URL."""
    given = (MONITORING / "prometheus.yml").read_text()
    config = re.sub(r"targets: .*", f"targets: {json.dumps(targets)}", given).replace("15s", "1s")
    (directory / "prometheus.yml").write_text(config)
    shutil.copy(MONITORING / "alerts.yml", directory)
    process = subprocess.Popen(
        [
            "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0",
            "--log.format=json",
        ],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    listening = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        with process.stderr as log:
            for line in log:
                lines.append(line)
                if '"Listening on"' in line:
                    listening.set()
        listening.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert listening.wait(PATIENCE_SECONDS)
        found = [json.loads(line)["address"] for line in lines if '"Listening on"' in line]
        assert found, "".join(lines)
        yield f"http://{found[0]}"
    finally:
        process.kill()
        process.wait()
        reader.join(PATIENCE_SECONDS)


def answers_with_data(at: str, expression: str) -> bool:
    query = expression.replace("$__rate_interval", "10s").replace("$job", ".+").replace("$instance", ".+")
    answer: Any = httpx.get(f"{at}/api/v1/query", params={"query": query}, timeout=PATIENCE_SECONDS).json()
    assert answer["status"] == "success", (query, answer)
    return any(series["value"][1] != "NaN" for series in answer["data"]["result"])


@needs_prometheus
@pytest.mark.cluster
def test_every_query_of_the_dashboard_answers_with_data(tmp_path: Path) -> None:
    fast = {"INTERVAL_MS": "100", "GOSSIP__INITIAL_INTERVAL": "0.5"}
    with ExitStack() as stack:
        member = stack.enter_context(
            running(
                **fast,  # type: ignore[arg-type] # all of them are settings
                NODE_ID="member",
                DATA_DIR=str(tmp_path / "member"),
                RAFT__ENABLED="true",
                RAFT__BOOTSTRAP_EXPECT="1",
            )
        )
        seed = ":".join(map(str, member.address))
        client = stack.enter_context(running(**fast, NODE_ID="client", SEED=seed))  # type: ignore[arg-type]
        at = stack.enter_context(prometheus(tmp_path, [seed, ":".join(map(str, client.address))]))
        without: list[str] = []

        def all_answered() -> bool:
            for node in (member, client):
                httpx.put(f"{url(node)}/v1/meta/a", content=b"x", timeout=PATIENCE_SECONDS)
            without[:] = [expression for expression in EXPRESSIONS if not answers_with_data(at, expression)]
            return not without

        wait_until(all_answered, without)
        rules = httpx.get(f"{at}/api/v1/rules", timeout=PATIENCE_SECONDS).json()["data"]["groups"]
        evaluated = [rule for group in rules for rule in group["rules"]]
        assert len(evaluated) == ALERTS.count("- alert: ")
        assert {rule.get("lastError", "") for rule in evaluated} == {""}
        paging = [rule["name"] for rule in evaluated if rule["state"] == "firing" and "page" in str(rule["labels"])]
        assert paging == []
