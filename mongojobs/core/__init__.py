"""Words without I/O: what every other room may speak of."""
