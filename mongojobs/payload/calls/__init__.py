"""Calls: what can be a job, how it is stored as a handler, and how it is run."""
