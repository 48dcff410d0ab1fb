"""Plugins: what listens to the lifecycle of jobs and workers."""
