"""signalscope's tables in a database of their own, of each engine; the project's is SQLite."""

import re
from html import unescape

# The entry of a tracked model is in the database of the change, and so is a delivery.
EVERYWHERE = {"signalscope_activitylog", "signalscope_delivery"}
OURS = {
    f"signalscope_{name}"
    for name in (
        "controlrule",
        "dispatch",
        "lease",
        "loss",
        "process",
        "receivercall",
        "rollup",
        "slowquery",
        "trace",
    )
}


def test_tables_are_there_and_only_there(host):
    """Each migrate makes the tables of its own database, none of the other's."""
    assert set(host.tables("observability")) == OURS | EVERYWHERE | {"django_migrations"}
    found = {name for name in host.tables("default") if name.startswith("signalscope_")}
    assert found == EVERYWHERE


def test_upkeep_of_the_activity_log_elsewhere(host):
    """The commands work in the project's database, too, which has few tables of ours."""
    host.write_entries("default", 40, 40, 1)
    before = ("--database=default", "--before=30d")
    assert host.command("signalscope", "prune", *before) == "Deleted: nothing.\n"
    prune = ("signalscope", "prune", *before, "--activity")
    assert host.command(*prune, "--dry-run") == "Would delete: activity entries 2.\n"
    assert host.command(*prune) == "Deleted: activity entries 2.\n"
    clear = ("signalscope", "clear", "--yes", "--database=default")
    assert "Emptied 0 tables" in host.command(*clear)
    assert "Emptied 1 table in" in host.command(*clear, "--activity")


def test_deliveries(host):
    """They are in the project's database, with its transactions, and a worker finds them there."""
    host.promise("A-1", "A-2")
    assert host.promised("default") == ["pending", "pending"]
    assert host.promised("observability") == []
    deliver = ("signalscope", "deliver", "--once")
    assert host.command(*deliver, "--database=observability") == "Delivered: nothing.\n"
    assert host.command(*deliver) == "Delivered: done 2.\n"
    assert host.promised("default") == ["done", "done"]
    assert host.command("signalscope", "deliveries").count("done") == 2


def test_records_are_there(host):
    """What is recorded is stored in the other database, and the router reads it from there."""
    assert host.request(5) == [5, [200], 5]
    assert host.flush() is True
    stored = host.stored()
    assert (stored["calls"], stored["traces"], stored["dispatches"]) == (5, 5, 5)


def test_pages_and_statistics(host):
    """The admin's pages and signalstats read the other database."""
    host.request(3)
    host.flush()
    models = ("trace", "dispatch", "receivercall", "rollup", "loss")
    answers = host.pages(
        "/admin/",
        "/admin/signalscope/rollup/signals/",
        *[f"/admin/signalscope/{model}/" for model in models],
    )
    assert [status for status, _ in answers] == [200] * len(answers)
    assert "GET /orders/" in answers[2][1]
    assert "hear_order" in answers[4][1]
    assert "hear_order" in host.command("signalstats")


def test_activity_in_two_databases(host):
    """A tracked model's entries are listed by themselves; pages join them with the others."""
    host.tracked_order()
    host.flush()
    traces, log = "/admin/signalscope/trace/", "/admin/signalscope/activitylog/"
    answers = host.pages(traces, log, f"{log}?database=default", f"{log}?database=nowhere")
    listed, ours, theirs, unknown = (page for _, page in answers)
    assert [badge(name) in ours for name in ("ordered", "created")] == [True, False]
    assert [badge(name) in theirs for name in ("ordered", "created")] == [False, True]
    assert badge("ordered") in unknown
    assert "?database=default" in ours
    [entry] = re.findall(rf'<a href="({log}\d+/change/\?[^"]+)"', theirs)
    [trace] = re.findall(rf'<a href="({traces}\d+/change/)">ordering', listed)
    for status, page in host.pages(unescape(entry), trace):
        assert (status, badge("ordered") in page, badge("created") in page) == (200, True, True)
    assert "A-1" in host.command("signalscope", "activity", "--database=default")


def badge(action):
    """Return an action as pages show it."""
    return f'<span class="signalscope-badge">{action}</span>'


def test_statements_stay_apart(host):
    """No statement of signalscope's runs on the project's connections, or is in their logs."""
    seen = host.statements_of_host(3)
    assert seen.pop("observability") == []
    assert len(seen["default"]) > 6
    assert not [statement for statement in seen["default"] if "signalscope" in statement]
    assert host.stored()["calls"] == 3


def test_check_is_content(host):
    """The shipped router is what the system check asks for."""
    assert "no issues" in host.command("check")
