"""What goes wrong in a run: faults by kind, schedules of them from a seed, and the one who carries a schedule out."""

from tests.verify.consistency.nemesis.faults import KINDS
from tests.verify.consistency.nemesis.nemesis import Nemesis
from tests.verify.consistency.nemesis.schedule import Step, plan

__all__ = ["KINDS", "Nemesis", "Step", "plan"]
