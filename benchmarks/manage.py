"""manage.py of the benchmarked project, for a process beside the one that made its database."""

import sys

from django.core.management import execute_from_command_line

from benchmarks.setup import join

if __name__ == "__main__":
    join()
    execute_from_command_line(sys.argv)
