"""How fast the replicated state is, and how much it takes: `python -m tests.consensus.store.bench_store`."""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable

from coterie.consensus.store import (
    Compare,
    Idempotent,
    Limits,
    Put,
    PutDone,
    State,
    Target,
    Txn,
    WatchHub,
    apply,
    encode,
    encode_batch,
    prefix_end,
    read_snapshot,
    state_digest,
    write_snapshot,
)
from coterie.consensus.store.schema.results import BatchDone

KEYS = 200_000
VALUE = 100
STATE_KEYS = 400_000  # with keys of 25 and values of 100 bytes: 50 MB


def key(number: int) -> bytes:
    return b"services/instances/%06d" % number


def rate(label: str, count: int, work: Callable[[], None]) -> None:
    """In seconds of this process's CPU time, which other work on the machine disturbs least."""
    begin = time.process_time()
    work()
    seconds = time.process_time() - begin
    print(f"{label:58} {count / seconds:>12,.0f} /s   {seconds / count * 1e6:8.2f} us each")


def batches(operations: list[bytes], size: int, time_ms: int = 1) -> list[bytes]:
    return [encode_batch(time_ms + at, operations[at : at + size]) for at in range(0, len(operations), size)]


def apply_all(state: State, entries: list[bytes]) -> None:
    for entry in entries:
        done = apply(state, entry, state.applied_index + 1)
        assert isinstance(done, BatchDone)
        assert all(isinstance(result, PutDone) for result in done.results), done.results[0]


def puts(count: int, keys: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    return [encode(Put(key(rng.randrange(keys)), rng.randbytes(VALUE))) for _ in range(count)]


def write_speed() -> None:
    state = State()
    fresh = [encode(Put(key(number), b"x" * VALUE)) for number in range(KEYS)]
    random.Random(1).shuffle(fresh)
    entries = batches(fresh, 64)
    rate("put, new keys in random order, 64 in an entry", KEYS, lambda: apply_all(state, entries))
    entries = batches(puts(KEYS, KEYS, 2), 64)
    rate("put, existing keys of 200,000, 64 in an entry", KEYS, lambda: apply_all(state, entries))
    entries = batches(puts(KEYS, 1_000, 3), 64)
    rate("put, existing keys of 1,000, 64 in an entry", KEYS, lambda: apply_all(state, entries))
    single = puts(KEYS, 1_000, 4)

    def one_by_one() -> None:
        index = state.applied_index
        for op in single:
            index += 1
            apply(state, op, index)

    rate("put, existing keys of 1,000, one in an entry", KEYS, one_by_one)
    rng = random.Random(5)
    ids = [
        encode(Idempotent(rng.randbytes(16), state.time_ms, Put(key(rng.randrange(1_000)), rng.randbytes(VALUE))))
        for _ in range(KEYS)
    ]
    entries = batches(ids, 64, state.time_ms)
    rate("put with request id, 64 in an entry", KEYS, lambda: apply_all(state, entries))
    guarded = [
        encode(Txn((Compare(key(0), Target.VERSION, ">", 0),), (Put(key(rng.randrange(1_000)), b"x" * VALUE),)))
        for _ in range(KEYS // 4)
    ]
    entries = batches(guarded, 64, state.time_ms)

    def txns() -> None:
        for entry in entries:
            apply(state, entry, state.applied_index + 1)

    rate("transaction of one comparison and one put, 64 in an entry", KEYS // 4, txns)
    hub = WatchHub(state.keyspace)
    watches = [hub.watch(b"services/%d/" % number, prefix_end(b"services/%d/" % number)) for number in range(10_000)]
    watches += [hub.watch(b"services/", prefix_end(b"services/")) for _ in range(10)]
    entries = batches(puts(KEYS // 4, 1_000, 6), 64, state.time_ms)

    def watched() -> None:
        for entry in entries:
            apply(state, entry, state.applied_index + 1)
            for watch in hub.feed():
                hub.take(watch)

    rate("put with 10 watches that see it and 10,000 that do not", KEYS // 4, watched)


def read_speed() -> None:
    state = State()
    apply_all(state, batches([encode(Put(key(number), b"x" * VALUE)) for number in range(KEYS)], 64))
    first = state.keyspace.revision
    apply_all(state, batches(puts(90_000, KEYS, 7), 64))
    rng = random.Random(8)
    keys = [key(rng.randrange(KEYS)) for _ in range(100_000)]

    def gets() -> None:
        for it in keys:
            state.get(it)

    rate("get", len(keys), gets)

    def old_gets(revision: int) -> Callable[[], None]:
        def work() -> None:
            for it in keys[:5_000]:
                state.get(it, revision)

        return work

    rate("get at a revision 1,000 events ago", 5_000, old_gets(state.keyspace.revision - 1_000))
    rate("get at a revision 90,000 events ago", 5_000, old_gets(first))

    def pages() -> None:
        page = state.range(b"services/", prefix_end(b"services/"))
        count = len(page.records)
        while page.next is not None:
            page = state.next_page(page.next)
            count += len(page.records)
        assert count == KEYS

    rate("range, in pages of 1,000: records", KEYS, pages)

    def old_pages() -> None:
        page = state.range(b"services/", prefix_end(b"services/"), revision=first)
        while page.next is not None:
            page = state.next_page(page.next)

    rate("range at a revision 90,000 events ago: records", KEYS, old_pages)


def memory() -> None:
    tracemalloc.start()
    state = State(Limits(max_history_events=0))
    apply_all(state, batches([encode(Put(key(number), b"x" * VALUE)) for number in range(50_000)], 64))
    per_key = tracemalloc.get_traced_memory()[0] / 50_000
    print(f"memory per key of {len(key(0))} and value of {VALUE} bytes: {per_key:,.0f} bytes, history apart")
    state = State()
    apply_all(state, batches([encode(Put(key(number), b"x" * VALUE)) for number in range(50)], 64))
    before = tracemalloc.get_traced_memory()[0]
    apply_all(state, batches(puts(50_000, 50, 9), 64))
    per_event = (tracemalloc.get_traced_memory()[0] - before) / 50_000
    print(f"memory per event in history, value of {VALUE} bytes: {per_event:,.0f} bytes")
    tracemalloc.stop()


def snapshots() -> None:
    state = State()
    apply_all(state, batches([encode(Put(key(number), b"x" * VALUE)) for number in range(STATE_KEYS)], 64))
    apply_all(state, batches(puts(100_000, STATE_KEYS, 10), 64))
    writes = iter(batches(puts(50_000, STATE_KEYS, 11), 16))
    gc.disable()  # its pauses depend on everything else in the process
    begin = time.process_time()
    chunks = write_snapshot(state)
    pause = time.process_time() - begin
    written = []
    longest, encoding, applying, slowest_apply = 0.0, pause, 0.0, 0.0
    while True:
        begin = time.process_time()
        chunk = next(chunks, None)
        took = time.process_time() - begin
        encoding += took
        longest = max(longest, took)
        if chunk is None:
            break
        written.append(chunk)
        begin = time.process_time()
        apply(state, next(writes), state.applied_index + 1)
        applying += time.process_time() - begin
        slowest_apply = max(slowest_apply, time.process_time() - begin)
    size = sum(map(len, written))
    print(f"snapshot of {state.sizes()}")
    print(
        f"  {size / 1e6:.0f} MB in {len(written)} chunks: {size / encoding / 1e6:.0f} MB/s; the view took "
        f"{pause * 1e6:.0f} us, the longest chunk {longest * 1e3:.1f} ms"
    )
    print(
        f"  meanwhile {len(written) * 16 / applying:,.0f} puts/s, the slowest entry of 16 took "
        f"{slowest_apply * 1e3:.1f} ms"
    )
    gc.enable()
    begin = time.process_time()
    fresh = read_snapshot(iter(written))
    took = time.process_time() - begin
    print(f"  restored in {took:.2f} s: {size / took / 1e6:.0f} MB/s")
    begin = time.process_time()
    state_digest(fresh)
    print(f"  digest in {time.process_time() - begin:.2f} s")


def main() -> None:
    wanted = sys.argv[1:]
    for part in (write_speed, read_speed, memory, snapshots):
        if not wanted or part.__name__ in wanted:
            part()
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
