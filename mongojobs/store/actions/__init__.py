"""What people do with jobs: with one, and with many."""
