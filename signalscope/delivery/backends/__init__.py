"""
What runs jobs.

Each module has enqueue(job), which raises what it likes where it cannot take one, and can_delay(),
which tells whether jobs can wait there.
"""
