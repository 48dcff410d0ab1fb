"""The tests: ``python manage.py test``. They need no MongoDB, since jobs stay in memory."""
