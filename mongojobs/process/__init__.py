"""What belongs to the process and not to a worker in it: signals, children of a supervisor, copies, memory."""
