"""The database goes away, and comes back."""

import os
import time

import pytest

from tests.faults.conftest import ENGINE

# Five minutes, where there is time for it.
GONE_S = 300 if os.environ.get("SIGNALSCOPE_LONG_TESTS") else 5
BUFFER_BYTES = 200_000
# As in recorder/writer.py.
MAX_WAITING_NODES = 20_000

needs_server = pytest.mark.skipif(ENGINE == "sqlite", reason="SQLite has no server")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_gone_under_load(start_host, observability, server, end):
    """Threads that send go on, memory is bounded, losses add up, and recording resumes."""
    host = start_host(observability, BUFFER_BYTES=BUFFER_BYTES)
    assert host.migrate() is True
    host.flush()
    host.start_load(4)
    time.sleep(1)
    healthy, _ = host.look_at_load()
    getattr(server, end)()
    gone_at = time.monotonic()
    memory_bytes = host.memory_bytes()
    assert host.wait_for_failure() is True
    before, _ = host.look_at_load()
    while time.monotonic() < gone_at + GONE_S:
        time.sleep(1)
        counts, peak_bytes = host.look_at_load()
        assert all(now > then for now, then in zip(counts, before, strict=True))
        before = counts
        state = host.state()
        assert peak_bytes <= BUFFER_BYTES
        assert state["waiting_nodes"] <= MAX_WAITING_NODES
        assert state["tallies"] < 100
        assert host.memory_bytes() - memory_bytes < 64 * 1024 * 1024
    server.start()
    assert host.wait_for_recovery() is True
    counts, _ = host.stop_load()
    assert sum(before) - sum(healthy) > sum(healthy) * GONE_S / 10
    assert host.flush() is True
    assert host.flush() is True
    stored = host.stored()
    # A crash may come between a commit and the word that it is done: then it is done twice.
    surplus = stored["calls"] + stored["lost_calls"] - sum(counts) * 10
    assert surplus == 0 or (end == "kill" and 0 < surplus < sum(counts))
    assert stored["histogram"] == stored["calls"]
    assert stored["lost_traces"] > 0
    if not surplus:
        assert stored["traces"] + stored["lost_traces"] == sum(counts)
        assert stored["entries"] + stored["lost_entries"] == sum(counts)
    (status, page), *_ = host.pages("/admin/signalscope/rollup/signals/")
    assert (status, "Lost in this time" in page) == (200, True)
    assert f"{stored['lost_traces']}" in host.command("signalstats").replace(",", "")
    assert len(host.warnings()) == 1


@needs_server
@pytest.mark.parametrize("age_s", [0, None])
def test_restarted_between_flushes(start_host, observability, server, age_s):
    """A server that was restarted while nothing was to be stored costs not even a warning."""
    host = start_host({**observability, "CONN_MAX_AGE": age_s}, FLUSH_INTERVAL_S=600)
    assert host.migrate() is True
    host.request(3)
    assert host.flush() is True
    server.stop()
    server.start()
    assert host.request(3) == [3, [200], 6]
    assert host.flush() is True
    assert host.stored()["calls"] == 6
    assert host.warnings() == []


@needs_server
def test_frozen(host, server):
    """A server that answers nothing holds up the writer, and nobody else."""
    host.request(3)
    host.flush()
    server.freeze()
    host.send(1)
    assert host.flush(0.5) is False
    assert host.send(20_000, 4) == 80_000
    assert host.request(50) == [50, [200], 53]
    assert host.flush(0.5) is False
    server.thaw()
    assert host.flush() is True
    stored = host.stored()
    assert (stored["calls"], stored["lost_calls"]) == (80_054, 0)


@needs_server
def test_end_while_frozen(start_host, observability, server):
    """The process ends while the server answers nothing, after EXIT_TIMEOUT_S."""
    host = start_host(observability)
    assert host.migrate() is True
    host.request(3)
    host.flush()
    server.freeze()
    host.request(3)
    host.end()
    assert host.process.returncode == 0
    server.thaw()


def test_end_while_gone(start_host, observability, server):
    """So it does while the server is gone."""
    host = start_host(observability)
    assert host.migrate() is True
    host.flush()
    server.stop()
    assert host.request(3) == [3, [200], 3]
    host.end()
    assert host.process.returncode == 0
    server.start()
