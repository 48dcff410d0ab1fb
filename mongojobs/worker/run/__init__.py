"""One run of a job: from its payload to an outcome."""
