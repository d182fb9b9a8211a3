"""A test runner for Django's own suite that writes each test's outcome to a file."""

import json
import os
import unittest
from pathlib import Path

from django.test.runner import DiscoverRunner


class Result(unittest.TextTestResult):
    """Collects the outcome of each test, and of its subtests."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.outcomes = {}

    def _note(self, test, outcome):
        self.outcomes[test.id()] = outcome

    def addSuccess(self, test):
        super().addSuccess(test)
        self.outcomes.setdefault(test.id(), "ok")

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, f"error: {err[0].__name__}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failure")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, f"skipped: {reason}")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._note(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._note(test, "unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, f"subtest: {err[0].__name__}")


class Runner(DiscoverRunner):
    """Runs as Django's own, with the results written to OUTCOMES_FILE."""

    def get_resultclass(self):
        return Result

    def suite_result(self, suite, result, **kwargs):
        Path(os.environ["OUTCOMES_FILE"]).write_text(json.dumps(result.outcomes))
        return super().suite_result(suite, result, **kwargs)
