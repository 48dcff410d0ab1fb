"""The same app for each library: one job, whose body notes the moment, and three ways to enqueue it.

Each is imported by the library's own worker, and by ``enqueuing``; so each needs no other library.
"""
