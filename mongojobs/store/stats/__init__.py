"""What workers did, in a collection beside the jobs.

- ``stats_store``: the documents of each process, and what they add up to
- ``merging``: joins those of a time that is over, so that reading does not take longer the more processes there are
- ``entries``: figures of one name and queue, as stored
"""
