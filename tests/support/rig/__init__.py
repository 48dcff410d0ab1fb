"""The fault rig: worker processes, what is done to them and to their database, and a judge of what came of it.

Jobs write their starts and ends to a ledger outside the database (`app`, `ledger`), enqueuers keep what was
acknowledged (`load`), `rig` does harm and notes it, and `checker` compares all that with what is promised.
"""

from tests.support.rig.proxy import Proxy
from tests.support.rig.rig import Rig

__all__ = ["Proxy", "Rig"]
