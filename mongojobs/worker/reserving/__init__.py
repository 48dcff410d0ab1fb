"""Which jobs a worker takes, how many at once, and when it looks for more."""
