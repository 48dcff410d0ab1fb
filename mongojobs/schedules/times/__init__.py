"""When a schedule is due: from what people write to moments, without a database.

- ``expression``: reads what people write: cron, a duration, or words
- ``words``: the closed grammar of words, compiled to cron or an interval
- ``cron``: the nominal times of a cron expression in a zone
- ``interval``: the nominal times of an interval
- ``zones``: zones by name, and what clock changes do to wall times
- ``explain``: says an expression in words
- ``notes``: what about an expression may surprise, with dates
"""
