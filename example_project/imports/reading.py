"""Reads articles from CSV, and names each line that is wrong."""

import csv
from io import StringIO

from django.core.exceptions import ValidationError
from django.forms import ModelForm

from imports.models import Article

COLUMNS = ("slug", "name", "category", "price")
MAX_ARTICLES = 5000
MAX_ERRORS = 20


class LineForm(ModelForm):
    """One line: the model says what is allowed."""

    class Meta:
        model = Article
        fields = COLUMNS

    def validate_unique(self):
        """Allow a slug that there is already: that article is updated."""


def read_articles(text):
    """
    Return the articles of a CSV text in their order, none of them stored.

    text: its first line names COLUMNS, in any order. Raises ValidationError with a message for
    each line that is wrong, the first MAX_ERRORS of them.
    """
    articles, errors, first_lines = [], [], {}
    for line, row in read_rows(text):
        form = LineForm(row)
        problems = [
            f"{name} {row[name]!r}: {' '.join(messages)}" for name, messages in form.errors.items()
        ]
        if None in row:
            problems.append(f"it has more than {len(COLUMNS)} values.")
        first_line = first_lines.setdefault(row["slug"].strip(), line)
        if first_line != line:
            problems.append(f"slug {row['slug']!r}: It is in line {first_line} already.")
        if problems:
            errors.append(f"Line {line}: {' '.join(problems)}")
        articles.append(form.instance)
    if errors:
        left_out = len(errors) - MAX_ERRORS
        more = [f"{left_out} more lines are wrong."] if left_out > 0 else []
        raise ValidationError(errors[:MAX_ERRORS] + more)
    return articles


def read_rows(text):
    """Return the rows of a CSV text, each with the number of its last line; or ValidationError."""
    reader = csv.DictReader(StringIO(text, newline=""), strict=True, skipinitialspace=True)
    # What a line lacks is empty.
    reader.restval = ""
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or ()]
        if sorted(columns) != sorted(COLUMNS):
            raise ValidationError(
                f"Line 1: the columns are {', '.join(columns) or 'missing'}; "
                f"they must be {', '.join(COLUMNS)}, in any order."
            )
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        # The DictReader counts only the lines that it could read.
        line = reader.reader.line_num
        raise ValidationError(f"Line {line}: this is no CSV ({error}).") from error
    if not 0 < len(rows) <= MAX_ARTICLES:
        raise ValidationError(
            f"There are {len(rows)} articles below the first line; "
            f"there must be some, and up to {MAX_ARTICLES}."
        )
    return rows
