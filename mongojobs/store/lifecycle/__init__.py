"""The life of a job: insert, reserve, end, rescue."""
