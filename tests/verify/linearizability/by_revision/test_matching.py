"""Finding causes for commits: as many as the candidates allow, each for one commit."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.verify.linearizability.by_revision.matching import assign
from tests.verify.linearizability.histories.history import Commit
from tests.verify.linearizability.histories.script import named, put

OPERATIONS = named([put("a", (0, None), "x", str(n)) for n in range(5)])
tables = st.dictionaries(st.integers(1, 5), st.sets(st.integers(0, 4)))


def most(table: Mapping[int, set[int]]) -> int:
    """How many commits can have a cause of their own, by trying everything."""
    choices = product(*[[None, *candidates] for candidates in table.values()])
    taken = ([one for one in choice if one is not None] for choice in choices)
    return max((len(one) for one in taken if len(set(one)) == len(one)), default=0)


@given(tables)
def test_as_many_commits_as_possible_have_a_cause(table: dict[int, set[int]]) -> None:
    causes = assign([(Commit(revision), [OPERATIONS[n] for n in sorted(ns)]) for revision, ns in table.items()])
    assert len(causes) == most(table)
    assert len({cause.id for cause in causes.values()}) == len(causes)
    assert all(OPERATIONS.index(cause) in table[revision] for revision, cause in causes.items())


@given(tables)
def test_a_commit_listed_earlier_goes_before_one_listed_later(table: dict[int, set[int]]) -> None:
    """What a first commit has, a later one can only make it exchange."""
    orphans = [(Commit(revision), [OPERATIONS[n] for n in sorted(ns)]) for revision, ns in table.items()]
    for end in range(len(orphans)):
        assert assign(orphans[:end]).keys() <= assign(orphans).keys()
