"""The doctor: what is wrong with the jobs, the workers, the settings and the server, and what to do about it."""
