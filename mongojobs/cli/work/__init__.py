"""``mongojobs work``: the command, one worker or several under a supervisor, and what tells others how they are."""
