"""What people ask about jobs: lists, counts, groups of failures, diagnostics."""
