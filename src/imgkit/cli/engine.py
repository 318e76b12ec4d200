"""What the options say that choose where a command works."""

from typing import Final

ENGINE_HELP: Final = "Where the work is done: local (this machine), or ray (a cluster; extra: ray)."
ADDRESS_HELP: Final = "Host and port of the cluster's head, with --engine ray."
ADDRESS_DEFAULT: Final = "RAY_ADDRESS, or the cluster of this machine"
