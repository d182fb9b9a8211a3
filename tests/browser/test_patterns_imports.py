"""Imports in bulk and statistics that stay right, as a person sees it."""

import pytest

from tests.browser import look

LINES = "slug,name,category,price\n"


pytestmark = pytest.mark.parametrize("scheme", ["light", "dark"])


@pytest.fixture
def category(page):
    """A category of this test's own, of which nothing is left afterwards."""
    yield (name := "Test of imports")
    page.goto("/imports/")
    press(page, name, "Delete all")
    assert numbers(page, name) == ["0", "-", "0", "-", "right"]


def press(page, category, name):
    """Press a button for a category."""
    page.get_by_label("Category").select_option(category)
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_text(f"{category}: done.").wait_for()


def numbers(page, category):
    """Return what stands beside a category in the statistics."""
    row = page.locator("#statistics tbody tr", has_text=category)
    return row.inner_text().split("\t")[1:]


def test_statistics(page, category):
    """They follow each change but the one without signals, until they are counted anew."""
    page.goto("/patterns/")
    page.get_by_role("link", name="Bulk imports, with statistics kept right").click()
    look.check(page)
    lines = page.get_by_label("Lines")
    lines.fill(f"{LINES}t-1,Tea 1,{category},2.00\nt-2,Tea 2,{category},4.00\n")
    page.get_by_role("button", name="Import").click()
    page.get_by_text("Imported: 2 created, 0 updated, 0 unchanged.").wait_for()
    assert numbers(page, category) == ["2", "3.00 €", "2", "3.00 €", "right"]

    lines.fill(f"{LINES}t-2,Tea 2,{category},5.00\nt-3,Tea 3,{category},dear\n")
    page.get_by_role("button", name="Import").click()
    page.get_by_text("Line 3: price 'dear': Enter a number.").wait_for()
    look.check(page)
    assert numbers(page, category) == ["2", "3.00 €", "2", "3.00 €", "right"]
    assert "t-3" in lines.input_value()

    for name, wanted in (
        ("All dearer, by update()", ["2", "3.10 €", "2", "3.10 €", "right"]),
        ("First one dearer, by save()", ["2", "3.15 €", "2", "3.15 €", "right"]),
        ("Delete the first one", ["1", "4.10 €", "1", "4.10 €", "right"]),
        ("All dearer, without signals", ["1", "4.10 €", "1", "4.20 €", "wrong"]),
    ):
        press(page, category, name)
        assert numbers(page, category) == wanted
    look.check(page)
    page.get_by_role("button", name="Count anew").click()
    page.get_by_text("Everything is counted anew.").wait_for()
    assert numbers(page, category) == ["1", "4.20 €", "1", "4.20 €", "right"]


def test_file(page, category, tmp_path):
    """A file is imported as what is pasted, and what it leaves as it was is told."""
    file = tmp_path / "articles.csv"
    file.write_text(LINES + "".join(f"f-{n},Tea {n},{category},{n}\n" for n in range(1, 100)))
    page.goto("/imports/")
    for result in ("99 created, 0 updated, 0 unchanged", "0 created, 0 updated, 99 unchanged"):
        page.get_by_label("Or a file").set_input_files(file)
        page.get_by_role("button", name="Import").click()
        page.get_by_text(f"Imported: {result}.").wait_for()
        assert numbers(page, category) == ["99", "50.00 €", "99", "50.00 €", "right"]
    page.get_by_text("The first 50 of 99.").wait_for()
    look.check(page)
