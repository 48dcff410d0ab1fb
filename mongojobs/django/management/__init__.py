"""Commands of ``manage.py``.

- ``commands``: where Django looks for them
"""
