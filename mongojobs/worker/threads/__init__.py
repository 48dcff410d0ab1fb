"""The threads of a worker: those that run jobs, and those that watch over the runs."""
