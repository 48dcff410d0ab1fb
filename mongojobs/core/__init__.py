"""The shared vocabulary, without I/O: what every other room may use.

- ``job``: a job, as it is passed around
- ``inside``: what a job may do with itself while it runs
- ``fields``: how a field of a job is declared
- ``transitions``: what each step of a job's life writes
- ``change``: what a transition writes, as a value
- ``actions``: the verbs of people: from which states, and what each changes
- ``job_filter``: which jobs people mean
- ``searching``: looking for jobs by an argument
- ``retry``: when a failed job is run again
- ``settings``: each setting, and where its value comes from
- ``checks``: what a value that an app gives must be
- ``limits``: the sizes of what is stored
- ``errors``: every error, in one tree
- ``lifecycle``: how plugins take part
- ``notices``: what plugins are told
- ``stats``: statistics about runs
- ``calling``: calling the app's functions
- ``clock``: the time of the database's server
- ``words``: durations, names and numbers in words
"""
