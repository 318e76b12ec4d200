"""Help texts of the options --engine and --ray-address."""

from typing import Final

ENGINE_HELP: Final = "Where the work is done: local (this machine), or ray (a cluster; extra: ray)."
ADDRESS_HELP: Final = "Host and port of the cluster's head, with --engine ray."
ADDRESS_DEFAULT: Final = "RAY_ADDRESS, or the cluster of this machine"
