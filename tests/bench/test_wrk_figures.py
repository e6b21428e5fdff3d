"""What `wrk --latency` prints is read, in each of its units."""

from __future__ import annotations

import pytest

from tests.bench.rivals import wrk_figures

SAID = """\
Running 2s test @ http://127.0.0.1:10000/v1/meta/load/1
  1 threads and 256 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   280.77ms  337.62ms   1.44s    84.21%
    Req/Sec     1.02k   201.33     1.41k    68.42%
  Latency Distribution
     50%   {p50}
     75%  312.55ms
     90%  750.21ms
     99%    {p99}
  2043 requests in 2.01s, 441.24KB read
  Socket errors: connect 0, read 0, write 0, timeout 12
  Non-2xx or 3xx responses: 3
Requests/sec:   1016.47
Transfer/sec:    219.53KB
"""


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("912.00us", 0.000912), ("12.50ms", 0.0125), ("1.41s ", 1.41), ("2.00m ", 120.0), ("1.00h ", 3_600.0)],
)
def test_figures_are_read_in_every_unit(written: str, seconds: float) -> None:
    """What is shorter than its column is padded with a space behind it."""
    figures = wrk_figures(SAID.format(p50="850.00us", p99=written), used=4.086)
    assert (figures.rate, figures.failed, figures.p50) == (1016.47, 3, 0.00085)
    assert figures.p99 == pytest.approx(seconds)
    assert figures.processor_seconds == pytest.approx(0.002)
