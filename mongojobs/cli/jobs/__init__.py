"""``mongojobs jobs``: the commands that look at jobs and those that change them, and how jobs are printed."""
