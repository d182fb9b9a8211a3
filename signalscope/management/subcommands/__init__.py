"""The parts of ``manage.py signalscope``: each has HELP, add_arguments() and run()."""
