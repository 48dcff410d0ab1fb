"""mongojobs beside other libraries, in one run and in turns: behind `scripts/bench --peers`.

- ``measuring``: what is measured, and in which order
- ``peers``: the libraries: their versions, their commands, how durable what they store is
- ``environment``: where they are installed, and how their commands are run
- ``servers``: PostgreSQL and Redis, started for this alone
- ``moments``: what the bodies of all their jobs do, and what follows from it
- ``enqueuing``: enqueues, in a process of the library that is measured
- ``apps``: one app for each library, which only that needs
"""
