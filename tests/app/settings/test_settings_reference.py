"""`configs/reference.toml` cannot rot, and the other configurations run as they are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from coterie.app.settings.loading import load_settings, setting_paths
from coterie.app.settings.reference import reference
from coterie.app.settings.settings import Settings
from tests import ROOT

CONFIGS = ROOT / "configs"

SETTING = re.compile(r"^#(?=\S)", re.MULTILINE)
EXAMPLE = re.compile(r"^# Example: ", re.MULTILINE)


def test_the_reference_is_what_the_settings_generate() -> None:
    assert (CONFIGS / "reference.toml").read_text(encoding="utf-8") == reference(), "run: make configs"


def test_the_reference_as_it_stands_changes_nothing() -> None:
    settings = load_settings({"config": str(CONFIGS / "reference.toml")})
    assert settings.model_dump() == Settings().model_dump()


def test_the_reference_without_its_comment_signs_holds_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(SETTING.sub("", reference()), encoding="utf-8")
    settings = load_settings({"config": str(path)})
    assert settings.model_dump() == Settings().model_dump()


def test_the_reference_names_every_setting() -> None:
    values = tomllib.loads(SETTING.sub("", EXAMPLE.sub("", without_settings_that_have_an_example(reference()))))
    named = {
        (name, key) if isinstance(table, dict) and name != "key_values" else (name,)
        for name, table in values.items()
        for key in (table if isinstance(table, dict) else [name])
    }
    assert named == set(setting_paths())


def without_settings_that_have_an_example(text: str) -> str:
    """The default goes where an example of the same setting stands above it: TOML takes no key twice."""
    return re.sub(r"^(# Example: (\w+) = .*\n)#\2 = .*\n", r"\1", text, flags=re.MULTILINE)


def test_the_reference_says_what_must_be_equal_on_all_nodes() -> None:
    for key in ("dead_node_grace_period", "marked_for_deletion_grace_period"):
        remark = reference().split(f"#{key} = ")[0].split("\n\n")[-1]
        assert "Must be equal on all nodes of a cluster" in " ".join(remark.replace("#", "").split())


# Those of configs/deploy are to be filled in first, and have tests of their own.
AS_THEY_ARE = sorted(path for path in CONFIGS.rglob("*.toml") if path.parent.name != "deploy")


@pytest.mark.parametrize("path", AS_THEY_ARE, ids=lambda path: path.name)
def test_every_configuration_is_valid(path: Path) -> None:
    load_settings({"config": str(path)})


def test_the_three_nodes_are_one_cluster_with_the_grace_periods_of_the_example() -> None:
    paths = [CONFIGS / "three-nodes" / f"node{i}.toml" for i in (1, 2, 3)]
    nodes = [load_settings({"config": str(path)}) for path in paths]
    assert [str(node.listen_addr) for node in nodes] == ["127.0.0.1:10001", "127.0.0.1:10002", "127.0.0.1:10003"]
    for node in nodes:
        assert node.gossip.dead_node_grace_period == 10.0
        assert node.gossip.marked_for_deletion_grace_period == 60.0
        assert node.gossip_config() == nodes[0].gossip_config()
        assert set(node.seed) == {str(other.listen_addr) for other in nodes}
