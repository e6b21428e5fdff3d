"""What nodes gossip of themselves: the same text for the same content, and no text that breaks the reader."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.consensus.autopilot.announcement import (
    APPLIED_STEP,
    FOUNDING_KEY,
    IDENTITY_KEY,
    KEYS,
    STATUS_KEY,
    Announcement,
    ClusterStatus,
    FoundingRule,
    Undecodable,
    decode,
    encode,
)
from coterie.consensus.autopilot.founding_vote import Founder, FoundingProposal, ProposalRank
from coterie.gossip import RESERVED_PREFIX

MEMBERS = ("a" * 32, "b" * 32, "c" * 32)
PROPOSAL = FoundingProposal("cluster", 3, MEMBERS[1], tuple(Founder(member, f"node {member[0]}") for member in MEMBERS))

FULL = Announcement(
    member=MEMBERS[0],
    incarnation=7,
    host="fd00::1",
    port=11_000,
    role="voter",
    cluster_id="cluster",
    rule=FoundingRule(names=("n1", "n2", "n3")),
    zone="zone é",
    agrees_to=PROPOSAL,
    highest_rank=PROPOSAL.rank,
    joining="other",
    status=ClusterStatus(12, MEMBERS[2], 4, 3 * APPLIED_STEP),
)


def test_what_is_told_is_what_is_read() -> None:
    assert decode(encode(FULL)) == FULL
    bare = Announcement(member="m", incarnation=1, host="h", port=1, role="candidate", status=ClusterStatus())
    assert decode(encode(bare)) == bare


def test_all_keys_are_reserved_and_the_identity_is_written_last() -> None:
    assert all(key.startswith(RESERVED_PREFIX) for key in KEYS)
    assert set(encode(FULL)) == set(KEYS)
    assert list(encode(FULL))[-1] == IDENTITY_KEY


def test_an_applied_entry_is_not_gossip_for_every_node() -> None:
    def told(applied: int) -> dict[str, str]:
        return encode(
            Announcement(
                member="m", incarnation=1, host="h", port=1, role="voter", status=ClusterStatus(1, "m", 1, applied)
            )
        )

    assert told(APPLIED_STEP) == told(2 * APPLIED_STEP - 1)
    assert told(APPLIED_STEP) != told(2 * APPLIED_STEP)


def test_a_node_without_a_part_in_raft_announces_nothing() -> None:
    assert decode({}) is None
    assert decode({"key": "value", STATUS_KEY: "{}"}) is None


def changed(**fields: object) -> dict[str, str]:
    """The identity with some fields of it replaced."""
    told = encode(FULL)
    return {**told, IDENTITY_KEY: json.dumps({**json.loads(told[IDENTITY_KEY]), **fields})}


@pytest.mark.parametrize(
    "told",
    [
        changed(member=""),
        changed(member="a b"),
        changed(member="m" * 65),
        changed(member="m\n"),
        changed(member=None),
        changed(port=0),
        changed(port=65_536),
        changed(port="1"),
        changed(role="king"),
        changed(incarnation=-1),
        changed(incarnation=2**64),
        changed(host="h" * 257),
        changed(rule={"expect": 99}),
        {IDENTITY_KEY: ""},
        {IDENTITY_KEY: "null"},
        {IDENTITY_KEY: "[" * 100_000},
        {IDENTITY_KEY: '{"a":' * 2_000},
        {**encode(FULL), STATUS_KEY: "x" * 20_000},
        {**encode(FULL), FOUNDING_KEY: '{"answer": []}'},
        {**encode(FULL), FOUNDING_KEY: '{"answer": ["c", 0, "m", [["m", "n"]]]}'},
        {**encode(FULL), FOUNDING_KEY: '{"answer": ["c", 1, "x", [["m", "n"]]]}'},
        {**encode(FULL), FOUNDING_KEY: '{"answer": ["c", 1, "m", [["m", "n"], ["m", "n"]]]}'},
        {IDENTITY_KEY: "\ud800"},
    ],
    ids=lambda told: str(told)[:60],
)
def test_what_cannot_be_read_gives_a_reason(told: dict[str, str]) -> None:
    said = decode(told)
    assert isinstance(said, Undecodable)
    assert said.reason


@given(st.dictionaries(st.sampled_from(KEYS), st.text() | st.from_regex(r"\{.{0,60}\}")))
def test_decoding_never_raises(told: dict[str, str]) -> None:
    assert decode(told) is None or isinstance(decode(told), Announcement | Undecodable)


@given(st.data())
@settings(max_examples=200)
def test_decoding_never_raises_on_nearly_right_values(data: st.DataObject) -> None:
    told = encode(FULL)
    key = data.draw(st.sampled_from(KEYS))
    text = told[key]
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 5))
    told[key] = text[:at] + data.draw(st.text(max_size=4)) + text[at + cut :]
    assert isinstance(decode(told), Announcement | Undecodable)


def test_a_later_version_of_the_protocol_is_read_as_far_as_it_is_known() -> None:
    said = decode(changed(version=9, tomorrow=[1]))
    assert isinstance(said, Announcement)
    assert said.version == 9


@pytest.mark.parametrize(
    ("rule", "fine"),
    [
        (FoundingRule(0), True),
        (FoundingRule(1), True),
        (FoundingRule(3), True),
        (FoundingRule(5), True),
        (FoundingRule(2), False),
        (FoundingRule(4), False),
        (FoundingRule(names=("a", "b")), True),
        (FoundingRule(names=("a", "a")), False),
    ],
)
def test_a_rule_that_cannot_found_says_so(rule: FoundingRule, fine: bool) -> None:
    assert (rule.problem() is None) == fine


def test_founders_may_be_named_in_any_order() -> None:
    assert FoundingRule(names=("b", "a")) == FoundingRule(names=("a", "b"))


def test_a_newer_try_stands_above_and_at_the_same_try_the_lower_proposer() -> None:
    order = [
        ProposalRank(1, "c"),
        ProposalRank(1, "b"),
        ProposalRank(1, "a"),
        ProposalRank(2, "c"),
        ProposalRank(2, "a"),
    ]
    for at, low in enumerate(order):
        assert low.above(None)
        assert not low.above(low)
        for high in order[at + 1 :]:
            assert high.above(low)
            assert not low.above(high)
