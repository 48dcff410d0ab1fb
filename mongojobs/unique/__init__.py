"""Unique jobs: what makes two calls the same, and what another call asks for; no I/O.

A job that is unique holds a key, from its enqueue until it ends or starts. The unique index on ``unique_key`` lets no
second job hold it; what then becomes of a further call, ``store.unique`` does.

- ``checks``: what an app may say of it
- ``key``: from what is chosen of a call to a digest and a text
- ``terms``: all that applies to one call, put together
"""
