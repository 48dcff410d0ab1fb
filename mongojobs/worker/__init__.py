"""Running the jobs: reserve, run, finish, and keep the locks alive meanwhile."""
