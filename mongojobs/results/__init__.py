"""What jobs returned, for those who wait for it.

- ``results``: what one who holds a job may ask
- ``waiting``: one who waits, and until when
- ``watch``: looks and listens for all who wait in this process
- ``ears``: listens to the server, where it tells
- ``still``: for jobs that nobody runs meanwhile
"""
