"""What the one API key may do, as `GET /sapi/v1/account/apiRestrictions` says it.

Source: Binance, Wallet, Get API Key Permission. Only what is said changes: the paper exchange trades for any key that
it knows, whatever its permissions say.
"""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]
_DOCUMENTED = {
    "ipRestrict": True, "enableReading": True, "enableWithdrawals": False, "enableInternalTransfer": False,
    "enableMargin": False, "enableFutures": True, "permitsUniversalTransfer": False, "enableVanillaOptions": False,
    "enableFixApiTrade": False, "enableFixReadOnly": False, "enableSpotAndMarginTrading": False,
    "enablePortfolioMarginTrading": False,
}  # fmt: skip


class KeyPermissions:
    """The permissions of a key made for a guardian: futures trading and reading, bound to an address, nothing else."""

    def __init__(self, created_ms: int) -> None:
        self._created_ms = created_ms
        self._flags = dict(_DOCUMENTED)

    def body(self) -> Body:
        """The documented object."""
        flags = dict(self._flags)
        return {"ipRestrict": flags.pop("ipRestrict"), "createTime": self._created_ms, **flags}

    def change(self, values: Body) -> Body:
        """Switch permissions by their documented names, e.g. `enableWithdrawals`; ValueError for any other name."""
        for name, value in values.items():
            if name not in self._flags:
                raise ValueError(f"{name} is no permission; there are {', '.join(self._flags)}")
            if value not in (True, False, "true", "false"):
                raise ValueError(f"{name} was {value!r}; true or false is expected")
        self._flags |= {name: value in (True, "true") for name, value in values.items()}
        return self.body()
