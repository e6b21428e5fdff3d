"""The deployment files name what there is: options, settings, paths, ports, probes."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from coterie.app.api.app import create_app
from coterie.app.cli.command_line import parse_command_line
from coterie.app.settings.loading import BadSettingsError, load_settings, setting_paths, variable
from coterie.app.settings.settings import Settings
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import Address, GossipNode
from tests import ROOT

yaml: Any = pytest.importorskip("yaml")

pytestmark = pytest.mark.anyio

DEPLOY = ROOT / "configs" / "deploy"

SECRET = 'secret = "' + 20 * "s" + '"'


def filled_in(text: str, tmp_path: Path) -> Path:
    """A configuration file, with the secret that is left to whoever deploys."""
    file = tmp_path / "node.toml"
    file.write_text(text.replace('secret = ""', SECRET), encoding="utf-8")
    return file


# -- systemd -----------------------------------------------------------------------------------------------------------


def unit() -> configparser.RawConfigParser:
    class Repeating(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            old = self.get(key)
            super().__setitem__(key, old + value if isinstance(value, list) and isinstance(old, list) else value)

    parser = configparser.RawConfigParser(dict_type=Repeating, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "coterie.service", encoding="utf-8")
    return parser


def test_the_unit_starts_a_node_as_its_configuration_says(tmp_path: Path) -> None:
    service = unit()["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program == "/opt/coterie/bin/coterie"
    assert parse_command_line(arguments) == {"config": "/etc/coterie/node.toml"}
    check, reload = service["ExecReload"].split("\n")
    assert shlex.split(check) == [program, "check-config", "--quiet", *arguments]
    assert reload == "/bin/kill -HUP $MAINPID"
    text = (DEPLOY / "node.toml").read_text(encoding="utf-8")
    settings = load_settings({"config": str(filled_in(text, tmp_path))})
    assert settings.data_dir == Path("/var/lib") / service["StateDirectory"]
    stop = settings.leave.raft_timeout + settings.leave.gossip_timeout + settings.http.shutdown_seconds
    assert int(service["TimeoutStopSec"]) > stop + 10


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_knows_everything_in_the_unit(tmp_path: Path) -> None:
    for program in ("opt/coterie/bin/coterie", "bin/kill"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(DEPLOY / "coterie.service", units)
    for target in ("sysinit", "basic", "multi-user", "network-online", "shutdown", "local-fs"):
        (units / f"{target}.target").write_text("[Unit]\nDescription=x\n")
    said = subprocess.run(
        ["systemd-analyze", "verify", f"--root={tmp_path}", "coterie.service"], capture_output=True, text=True
    )
    ours = [line for line in said.stderr.splitlines() if "coterie.service" in line]
    assert ours == []


# -- Kubernetes --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="objects")
def kubernetes_objects() -> dict[tuple[str, str], Any]:
    text = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text)}


def container(objects: dict[tuple[str, str], Any]) -> Any:
    (found,) = objects["StatefulSet", "coterie"]["spec"]["template"]["spec"]["containers"]
    return found


def pod_settings(objects: dict[tuple[str, str], Any], file: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As the first pod reads them."""
    fields = {"metadata.name": "coterie-0", "status.podIP": "10.1.2.3"}
    for each in container(objects)["env"]:
        value = each.get("value") or fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
        monkeypatch.setenv(each["name"], value)
    options = parse_command_line(container(objects)["args"])
    assert options == {"config": "/etc/coterie/node.toml"}
    return load_settings({"config": str(file)})


def test_a_pod_has_settings_that_a_node_starts_with(
    objects: dict[tuple[str, str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = objects["Secret", "coterie"]["stringData"]["node.toml"]
    settings = pod_settings(objects, filled_in(text, tmp_path), monkeypatch)
    assert settings.node_id == "coterie-0"
    assert settings.public_addr == Address("10.1.2.3", 0)
    stateful = objects["StatefulSet", "coterie"]["spec"]
    assert settings.raft.bootstrap_expect == stateful["replicas"]
    (seed,) = settings.seed
    assert seed == f"{stateful['serviceName']}:{settings.listen_addr.port}"
    ports = {each["name"]: (each["containerPort"], each["protocol"]) for each in container(objects)["ports"]}
    assert ports == {
        "http": (settings.listen_addr.port, "TCP"),
        "gossip": (settings.listen_addr.port, "UDP"),
        "raft": (settings.raft_listen_addr.port, "TCP"),
    }
    peers = objects["Service", stateful["serviceName"]]["spec"]
    assert (peers["clusterIP"], peers["publishNotReadyAddresses"]) == ("None", True)
    assert {each["name"]: (each["port"], each["protocol"]) for each in peers["ports"]} == ports
    mounts = {each["name"]: each["mountPath"] for each in container(objects)["volumeMounts"]}
    assert mounts == {"data": str(settings.data_dir), "settings": "/etc/coterie"}
    claims = {each["metadata"]["name"] for each in stateful["volumeClaimTemplates"]}
    volumes = {each["name"] for each in stateful["template"]["spec"]["volumes"]}
    assert claims | volumes == set(mounts)
    for service in ("coterie", "coterie-peers"):
        labels = stateful["template"]["metadata"]["labels"].items()
        assert objects["Service", service]["spec"]["selector"].items() <= labels


def test_a_pod_without_its_secret_does_not_start(
    objects: dict[tuple[str, str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(objects["Secret", "coterie"]["stringData"]["node.toml"])
    with pytest.raises(BadSettingsError, match=r"raft\.secret in .*: must be text of at least 16 characters"):
        pod_settings(objects, file, monkeypatch)


@pytest.mark.usefixtures("logs_restored")
async def test_probes_ask_what_a_node_answers(objects: dict[tuple[str, str], Any], node: GossipNode) -> None:
    spec = container(objects)
    paths = {spec[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"/livez", "/readyz"}
    transport = httpx.ASGITransport(app=create_app(node, HttpSettings()))
    # The kubelet asks by the pod's address.
    async with httpx.AsyncClient(transport=transport, base_url="http://10.1.2.3:10000") as client:
        for path in paths:
            assert (await client.get(path)).status_code in {200, 503}


# -- the container -----------------------------------------------------------------------------------------------------


def test_the_container_is_made_of_what_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    known = {variable(path) for path in setting_paths()}
    assert set(re.findall(r"(COTERIE_\w+)=", text)) <= known
    script = re.search(r"RUN (sed .*) > uv\.txt", text)
    assert script is not None
    pinned = subprocess.run(["sh", "-c", script[1]], cwd=ROOT, capture_output=True, text=True).stdout
    assert re.fullmatch(r"uv==[\d.]+", pinned.strip())
