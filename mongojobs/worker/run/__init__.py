"""One run of a job: from its payload to an outcome.

- ``run_log``: what a run has logged, on its way to the store
- ``runner``: runs the job's code
- ``inflight_job``: a job that this process holds, and its times
- ``interruption``: raises an exception inside the job's code
- ``transaction``: lets a job and what it writes end together
- ``judgement``: what becomes of a job that raised an error
- ``overrides``: the values that apply to one job
- ``error_text``: an exception as text
"""
