"""Imports: many articles are stored at once, and their statistics stay right."""

from visitor import expect

HEADER = "slug,name,category,price\n"
WRONG = 'class="status failed">wrong'


def take(anna, keeper):
    """Import, by lines and a file; change a category by all ways; mend what was not heard."""
    if '<option value="Tour">' in keeper.get("/imports/"):
        # Left by a visit that was broken off.
        keeper.post("/imports/change/", category="Tour", way="delete_all")
    lines = [f"tour-{number},Tea {number},Tour,{number}.50\n" for number in range(1, 201)]
    page = keeper.upload("/imports/", "file", "articles.csv", (HEADER + "".join(lines)).encode())
    expect("200 created, 0 updated" in page, "a file of articles cannot be imported")
    dearer = HEADER + "tour-1,Tea 1,Tour,3.50\ntour-2,Tea 2,Tour,2.50\n"
    page = keeper.post("/imports/", text=dearer)
    expect("0 created, 1 updated, 1 unchanged" in page, "an import does not update articles")
    expect("101.01 €" in page, "the average price is wrong")
    page = keeper.post("/imports/", text=f"{dearer}tour-3,Tea 3,Tour,dear\n")
    expect("Line 4: price" in page, "a wrong line is not named")

    for way, is_right in (
        ("update", True),
        ("save", True),
        ("delete_one", True),
        ("unheard", False),
    ):
        page = keeper.post("/imports/change/", category="Tour", way=way)
        expect((WRONG not in page) == is_right, f"the statistics are not as expected after {way}")
    page = keeper.post("/imports/recount/")
    expect(WRONG not in page, "the statistics cannot be mended")
    page = keeper.post("/imports/change/", category="Tour", way="delete_all")
    expect(WRONG not in page, "the statistics are wrong after a bulk delete")
    expect("Log in" in anna.get("/imports/"), "customers see the imports")
