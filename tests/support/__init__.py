"""What several tests need: a real server, sample jobs, ready-made values."""
