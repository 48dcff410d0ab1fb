"""Values in words: times, durations, names, and what people type."""
