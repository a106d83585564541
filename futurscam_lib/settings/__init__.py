"""Every setting: from the environment, then `.env`, then (secrets only) the OS keyring, then its default.

A setting is one field in `home`, `sources` or `operation`: its variable, default, allowed values and purpose.
"""

from futurscam_lib.settings.home import DEFAULT_HOME, HOME, IS_CLONE, PROJECT, SHIPPED_NOTEBOOKS
from futurscam_lib.settings.reading import Partial, SettingRow, explain, load, load_partly
from futurscam_lib.settings.settings import MASK, TABLE, Settings, read_by

__all__ = [
    "DEFAULT_HOME",
    "HOME",
    "IS_CLONE",
    "MASK",
    "PROJECT",
    "SHIPPED_NOTEBOOKS",
    "TABLE",
    "Partial",
    "SettingRow",
    "Settings",
    "explain",
    "load",
    "load_partly",
    "read_by",
]
