"""The console with two hundred nodes that change all the time: it keeps up, and holds no more as time goes by."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, CDPSession, expect

from tests.browser.support.console import console
from tests.browser.support.crowd import crowd

SIZE = 200

SECONDS = 1.5
"""For which each view is watched."""

MOST_DOM_NODES = 30_000
"""In the whole page: 150 for each node, with room for the timeline up to its bound."""

WATCH_FRAMES = """
() => {
  const seen = { frames: [], tasks: [], last: performance.now(), on: true };
  window.seen = seen;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) seen.tasks.push(duration);
  }).observe({ type: "longtask" });
  const frame = (now) => {
    seen.frames.push(now - seen.last);
    seen.last = now;
    if (seen.on) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
"""

END_FRAMES = """
() => {
  const { frames, tasks } = window.seen;
  window.seen.on = false;
  frames.sort((a, b) => a - b);
  return {
    frames: frames.length,
    median: frames[Math.floor(frames.length / 2)] ?? 0,
    worst: frames.at(-1) ?? 0,
    tasks: tasks.length,
    longest: Math.max(0, ...tasks),
  };
}
"""


def counted(session: CDPSession) -> dict[str, float]:
    """What the page holds, after what is no longer used is gone."""
    session.send("HeapProfiler.collectGarbage")
    told: list[dict[str, float]] = session.send("Performance.getMetrics")["metrics"]
    return {str(each["name"]): each["value"] for each in told}


@pytest.mark.cluster
@pytest.mark.slow
def test_two_hundred_nodes(browser: Browser, figure: Callable[[str], None]) -> None:
    with crowd(SIZE) as url, console(browser) as seen:
        page = seen.page
        seen.open(url)
        seen.until_live()
        expect(page.locator("#content")).to_contain_text(f"{SIZE}")
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        for view in seen.views:
            seen.go(view)
            page.wait_for_timeout(500)
            page.evaluate(WATCH_FRAMES)
            page.wait_for_timeout(SECONDS * 1_000)
            told = page.evaluate(END_FRAMES)
            held = counted(session)
            figure(
                f"console with {SIZE} nodes, {view}: {told['frames'] / SECONDS:.0f} frames/s, "
                f"median {told['median']:.0f} ms, worst {told['worst']:.0f} ms; "
                f"{told['tasks']} long tasks, longest {told['longest']:.0f} ms; "
                f"{held['Nodes']:.0f} DOM nodes, {held['JSHeapUsedSize'] / 1e6:.1f} MB of heap"
            )
            assert held["Nodes"] <= MOST_DOM_NODES, view
        # All views were there one after the other: none leaves anything behind.
        seen.go("overview")
        page.wait_for_timeout(1_000)
        first = counted(session)
        for _ in range(3):
            for view in seen.views:
                seen.go(view)
                page.wait_for_timeout(100)
        seen.go("overview")
        page.wait_for_timeout(1_000)
        last = counted(session)
        figure(
            f"console with {SIZE} nodes, three times through all views: DOM nodes {first['Nodes']:.0f} before, "
            f"{last['Nodes']:.0f} after; listeners {first['JSEventListeners']:.0f}, {last['JSEventListeners']:.0f}; "
            f"heap {first['JSHeapUsedSize'] / 1e6:.1f} MB, {last['JSHeapUsedSize'] / 1e6:.1f} MB"
        )
        assert last["Nodes"] <= 1.5 * first["Nodes"] + 500
        assert last["JSEventListeners"] <= 1.5 * first["JSEventListeners"] + 100
        assert seen.watched.problems == []
