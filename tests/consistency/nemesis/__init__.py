"""What goes wrong in a run: faults by kind, schedules of them from a seed, and the one who carries a schedule out."""

from tests.consistency.nemesis.faults import KINDS
from tests.consistency.nemesis.nemesis import Nemesis
from tests.consistency.nemesis.schedule import Step, plan

__all__ = ["KINDS", "Nemesis", "Step", "plan"]
