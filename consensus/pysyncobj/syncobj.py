"""PySyncObj's `SyncObj` on Coterie's Raft: its programming model, with none of its consensus, transport or journal.

It is a subclass because PySyncObj's `@replicated` and its consumers ask `isinstance(x, SyncObj)` and call
`_applyCommand`, `_getFuncName` and `_methodToID`. PySyncObj's constructor does not run, so none of its private state is
there: every public method that would read it is overridden here. What is inherited calls public methods alone
(`printStatus`, `_isReady`, `_destroy` and the like).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from coterie.consensus.pysyncobj.admin import HERE
from coterie.consensus.pysyncobj.calls import call_operation, version_operation
from coterie.consensus.pysyncobj.codec import encode
from coterie.consensus.pysyncobj.engine import FAIL_REASON, Node, SyncObjConf, TCPNode, syncobj
from coterie.consensus.pysyncobj.group import Group, Tls
from coterie.consensus.pysyncobj.machine import ConsumersStateMachine, Methods
from coterie.consensus.pysyncobj.metadata import ReplMetadata
from coterie.consensus.pysyncobj.queue import Callback
from coterie.consensus.pysyncobj.settings import address_of
from coterie.consensus.pysyncobj.status import has_quorum, others, read_only_nodes, status_of

logger = logging.getLogger(__name__)

SyncObjException = syncobj.SyncObjException


class _BeginsOnceBuilt(type):
    """Loads the state and takes part once the outermost `__init__` has returned: the attributes that it sets are the
    state of a new group, and what the disk holds replaces them."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        made._begin()
        return made


class SyncObj(syncobj.SyncObj, metaclass=_BeginsOnceBuilt):  # type: ignore[misc] # PySyncObj has no types
    """Attributes set before `super().__init__(...)` are the program's own; those set after it are replicated.

    `selfAddress`, `partnerAddrs`: `host:port`, or PySyncObj's nodes; `selfAddress` None is a read-only node, which
    follows and calls and never votes. `conf.journalFile`: the directory of this member. `consumers`: PySyncObj's, and
    `ReplMetadata`. `tls`: contexts for links, of the side that is called and of the one that calls.
    Raises what PySyncObj raises; TypeError where an attribute cannot be replicated; StorageError and OSError where the
    directory must not be started from.
    """

    def __init__(
        self,
        selfAddress: str | Node | None,  # noqa: N803 - PySyncObj's names
        partnerAddrs: Iterable[str | Node],  # noqa: N803
        conf: SyncObjConf | None = None,
        consumers: Iterable[Any] | None = None,
        *,
        tls: Tls | None = None,
    ) -> None:
        conf = SyncObjConf() if conf is None else conf
        conf.validate()
        own = None if selfAddress is None else _name(selfAddress)
        partners = [_name(each) for each in partnerAddrs]
        for each in [*partners, *([] if own is None else [own])]:
            address_of(each)
        given = list(consumers or ())
        metadata = [each for each in given if isinstance(each, ReplMetadata)]
        if len(metadata) > 1:
            raise SyncObjException("Consumers", "ReplMetadata is a consumer at most once")
        consumer = metadata[0].consumer if metadata else None
        objects = [self, *(_consumer(each) for each in given if not isinstance(each, ReplMetadata))]
        methods = Methods(objects)
        self._methodToID = methods.keys
        self._methods = methods
        self._began_at = time.monotonic()
        on_version = conf.onCodeVersionChanged or (lambda _, __: None)
        machine = None if consumer is None else consumer.machine
        self._machine = ConsumersStateMachine(objects, methods, on_version, machine)
        self._group = Group(own, partners, conf, self._machine, consumer, tls)
        self._group.answer_commands(self._on_command)
        for its in metadata:
            its.join(self._group)
        self._consumers = objects[1:]
        for repl in self._consumers:
            repl._syncObj = self
        self._not_replicated = frozenset({*self.__dict__, "_not_replicated"})

    def _begin(self) -> None:
        try:
            self._machine.encode_state()  # what could not be saved later is refused now
        except TypeError as error:
            self._group.destroy()
            raise TypeError(f"{error}. An attribute that is not replicated is set before super().__init__()") from None
        self._group.begin()

    def __setattr__(self, name: str, value: Any) -> None:
        """A new attribute of a running object is part of its state: raises TypeError where it could not be saved."""
        if "_group" in self.__dict__ and self._group.began and name not in self.__dict__:
            encode(value, f"the attribute {name} of {type(self).__name__}")
        super().__setattr__(name, value)

    # the state of the object itself, as a consumer has it

    def _serialize(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in self._not_replicated}

    def _deserialize(self, data: dict[str, Any]) -> None:
        self.__dict__.update(data)

    # what PySyncObj's decorator calls

    def _getFuncName(self, funcName: str | tuple[int, str]) -> str:  # noqa: N802, N803
        """Overridden: the versions of methods are kept by `Methods`."""
        return self._methods.current(funcName)

    def _applyCommand(self, command: bytes, callback: Callback | None, commandType: int | None = None) -> None:  # noqa: N802, N803
        """Overridden: the call goes to Coterie's log. Raises TypeError where an argument cannot be replicated."""
        waits = isinstance(getattr(callback, "__self__", None), syncobj.AsyncResult)
        if waits and self._group.conf.autoTick and not self._group.began:
            raise SyncObjException("NotStarted", "a synchronous call inside __init__: make it after the object is made")
        self._group.propose(call_operation(command), callback)

    # life

    def destroy(self) -> None:
        """Overridden: ends our node; waiting calls get their outcome. Returns once all is closed,
        unless a callback calls it."""
        self._group.destroy()
        for consumer in self._consumers:
            consumer._destroy()

    def destroy_synchronous(self) -> None:
        """Overridden, as `destroy`."""
        self.destroy()

    def tick_thread_alive(self) -> bool:
        """Overridden: our thread."""
        return self._group.thread is not None and self._group.thread.is_alive()

    def waitBinded(self) -> None:  # noqa: N802
        """Overridden: our listener. Raises SyncObjException("BindError")."""
        while not self._group.bound.is_set() and not self._group.conf.autoTick:
            self._group.tick(0.05)
        if not self._group.began:
            raise SyncObjException("NotStarted", "waiting inside __init__: wait after the object is made")
        self._group.bound.wait()
        if self._group.bind_error is not None:
            raise SyncObjException("BindError")

    def waitReady(self) -> None:  # noqa: N802
        """Overridden, as `waitBinded`: PySyncObj means the transport. Poll `isReady` for the state."""
        self.waitBinded()

    def doTick(self, timeToWait: float = 0.0) -> None:  # noqa: N802, N803
        """Overridden: runs our loop for `timeToWait` seconds in this thread; for `autoTick=False`."""
        if self._group.conf.autoTick:
            raise AssertionError("doTick is for SyncObjConf(autoTick=False)")
        self._group.tick(timeToWait)

    def _onTick(self, timeToWait: float = 0.0) -> None:  # noqa: N802, N803
        """Overridden, as `doTick`, whose inside it is in PySyncObj."""
        self.doTick(timeToWait)

    def addOnTickCallback(self, callback: Callable[[], None]) -> None:  # noqa: N802
        """Overridden: called in the loop every `autoTickPeriod` seconds."""
        self._group.tick_callbacks.append(callback)

    def removeOnTickCallback(self, callback: Callable[[], None]) -> None:  # noqa: N802
        """Overridden: the counterpart of `addOnTickCallback`."""
        if callback in self._group.tick_callbacks:
            self._group.tick_callbacks.remove(callback)

    # versions and members

    def getCodeVersion(self) -> int:  # noqa: N802
        """Overridden: as applied here."""
        return self._methods.enabled

    def setCodeVersion(self, newVersion: int, callback: Callback | None = None) -> None:  # noqa: N802, N803
        """Overridden: the version goes to our log, as msgpack."""
        low, high = self._methods.enabled, self._methods.newest
        if not low <= newVersion <= high:
            raise Exception(f"wrong version {newVersion}: {low} is enabled here, and the newest is {high}")
        self._group.propose(version_operation(newVersion), callback)

    def addNodeToCluster(self, node: str | Node, callback: Callback | None = None) -> None:  # noqa: N802
        """Overridden: a safe change of voters, which another node than the leader asks the leader for."""
        self._change(node, callback, add=True)

    def removeNodeFromCluster(self, node: str | Node, callback: Callback | None = None) -> None:  # noqa: N802
        """Overridden, as `addNodeToCluster`."""
        self._change(node, callback, add=False)

    def _change(self, node: str | Node, callback: Callback | None, *, add: bool, here: bool = False) -> None:
        if not self._group.conf.dynamicMembershipChange:
            raise Exception("dynamicMembershipChange is disabled")
        self._group.change(_name(node), callback, add=add, here=here)

    def transferLeadership(self, node: str | Node | None = None, callback: Callback | None = None) -> None:  # noqa: N802
        """Overridden: our transfer; SUCCESS once the target leads."""
        self._group.transfer(None if node is None else _name(node), callback)

    def _on_command(self, command: list[Any], answer: Callable[[Any], None]) -> None:
        """`syncobj_admin`'s commands, in the loop."""

        def told(_: Any, reason: int) -> None:
            words = ["SUCCESS" if reason == FAIL_REASON.SUCCESS else "FAIL", str(command[0]).upper(), *command[1:2]]
            answer(" ".join(map(str, words)))

        match command:
            case ["status"]:
                answer(
                    {key: value if type(value) in {int, bool} else str(value) for key, value in self._status().items()}
                )
            case ["add" | "remove" as what, str(node), *rest] if rest in ([], [HERE]):
                self._change(node, told, add=what == "add", here=bool(rest))
            case ["set_version", int(version)]:
                self.setCodeVersion(version, told)
            case ["transfer", str(node)]:
                self.transferLeadership(node or None, told)
            case _:
                answer("invalid command")

    def forceLogCompaction(self) -> None:  # noqa: N802
        """Overridden: our snapshot."""
        self._group.compact()

    # views: PySyncObj's would read state that is not there

    @property
    def conf(self) -> SyncObjConf:
        return self._group.conf

    def _getConf(self) -> SyncObjConf:  # noqa: N802
        return self._group.conf

    @property
    def encryptor(self) -> None:
        """None: links prove the password and check every frame, and encrypt nothing."""

    def _getEncryptor(self) -> None:  # noqa: N802
        """As `encryptor`."""

    @property
    def selfNode(self) -> Node | None:  # noqa: N802
        return None if self._group.read_only else TCPNode(self._group.own)

    @property
    def otherNodes(self) -> set[Node]:  # noqa: N802
        return others(self._group)

    @property
    def readonlyNodes(self) -> set[Node]:  # noqa: N802
        return read_only_nodes(self._group)

    @property
    def raftLastApplied(self) -> int:  # noqa: N802
        return self._group.runtime.node.applied if self._group.runtime is not None else 0

    @property
    def raftCommitIndex(self) -> int:  # noqa: N802
        return self._group.runtime.node.commit if self._group.runtime is not None else 0

    @property
    def raftCurrentTerm(self) -> int:  # noqa: N802
        return self._group.runtime.node.term if self._group.runtime is not None else 0

    @property
    def hasQuorum(self) -> bool:  # noqa: N802
        """By open links, as PySyncObj has it."""
        return has_quorum(self._group)

    def isNodeConnected(self, node: str | Node) -> bool:  # noqa: N802
        return _name(node) in self._group.linked

    def isReady(self) -> bool:  # noqa: N802
        """Has all been applied here that was acknowledged before this start?"""
        return self._group.ready

    def _isLeader(self) -> bool:  # noqa: N802
        return self._group.leader == self._group.own

    def _getLeader(self) -> Node | None:  # noqa: N802
        leader = self._group.leader
        return None if leader is None else TCPNode(leader)

    def _getTerm(self) -> int:  # noqa: N802
        return self.raftCurrentTerm

    def _getRaftLogSize(self) -> int:  # noqa: N802
        return len(self._group.runtime.node.state.log) if self._group.runtime is not None else 0

    def getStatus(self) -> dict[str, Any]:  # noqa: N802
        """Overridden: PySyncObj's keys, from our node; matches and next indexes at the leader alone."""
        status: dict[str, Any] = self._group.ask(self._status)
        return status

    def _status(self) -> dict[str, Any]:
        return status_of(self._group, self._methods, time.monotonic() - self._began_at)


def _name(node: str | Node) -> str:
    return str(node.id) if isinstance(node, Node) else str(node)


def _consumer(given: Any) -> Any:
    if not isinstance(given, syncobj.SyncObjConsumer) and getattr(given, "_consumer", None):
        given = given._consumer()
    if not isinstance(given, syncobj.SyncObjConsumer):
        raise SyncObjException("Consumers must be inherited from SyncObjConsumer")
    return given
