"""Running the jobs. In order: a worker starts, reserves, runs, finishes, and stops.

- ``worker``: start, stop and quiet
- ``connecting``: connects to a database that may be away
- ``assembly``: makes and joins what works for a worker
- ``loop``: the thread that reserves
- ``idling``: what it does while no job is due
- ``reserving``: which jobs to reserve, how many, and what wakes the loop
- ``inflight``: the jobs that the process holds
- ``threads``: those that run jobs, and those that watch over the runs
- ``run``: one run, from the payload to an outcome
- ``children``: the same in processes of their own
- ``finish``: writes results
- ``release``: hands jobs back
- ``rescue``: takes back the jobs of workers that are gone
- ``presence``: shows the worker, and takes its orders
- ``liveness``: what probes ask
- ``outage``: reports each outage once
- ``stats_recorder``: counts how the jobs end
- ``shutdown``: the order in which it stops
- ``inline``: runs jobs without the loop
"""
