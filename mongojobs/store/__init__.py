"""Every MongoDB call.

- ``jobs``: the life of a job, for those who enqueue and for workers
- ``lifecycle``: the transitions: insert, reserve, end, rescue
- ``actions``: what people do with jobs
- ``unique``: what unique jobs need besides
- ``rows``: the rows of an app that a job goes through
- ``reader``: what people ask about jobs
- ``queries``: asks the collection by the right index
- ``filters``: query filters with a meaning
- ``selections``: from a person's filter to queries
- ``positions``: places in the order of an index
- ``documents``: jobs as documents
- ``reading``: reads documents that anybody may have written
- ``indexes``: each index with the query it serves
- ``workers``: the workers that are alive
- ``logs``: what jobs have logged
- ``pauses``: paused queues
- ``stats``: what workers did
- ``stream``: tells an idle worker of new jobs
- ``clients``: connections, and what kind of server answers
- ``faults``: what an error of the database means
- ``time_limits``: how long the database may take
"""
