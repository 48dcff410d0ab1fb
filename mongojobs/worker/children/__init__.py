"""Process mode: each run in a child process, so that what a job does to its process harms no other job."""
