"""What an app and its workers are configured with.

- ``settings``: declares each setting
- ``parsing``: reads their values
- ``sources``: finds them in flags, environment and files
"""

from mongojobs.core.settings.settings import Settings, explanation
from mongojobs.core.settings.sources import Resolved, environment_names, resolve, unknown_variables

__all__ = ["Resolved", "Settings", "environment_names", "explanation", "resolve", "unknown_variables"]
