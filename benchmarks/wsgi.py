"""
The benchmarked project as a server runs it, beside the process that made its database.

BENCHMARK_KIND: reading or light; BENCHMARK_BARE=1: without signalscope.
"""

import os

from benchmarks.setup import join, project

if os.environ.get("BENCHMARK_BARE"):
    apps = [app for app in project()["INSTALLED_APPS"] if app != "signalscope"]
    join(INSTALLED_APPS=apps)
else:
    join()

from django.core.wsgi import get_wsgi_application

from benchmarks import receivers

getattr(receivers, f"connect_{os.environ['BENCHMARK_KIND']}")()
application = get_wsgi_application()
