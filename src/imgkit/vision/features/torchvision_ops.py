"""Make ``import timm`` work beside a torchvision whose compiled part does not load.

timm imports torchvision. The torchvision wheels of the usual package index are built for CUDA; beside a CPU-only
torch their compiled part cannot be loaded, its operators are not declared, and the import ends in "operator
torchvision::nms does not exist". Classification needs none of them, so declaring their schemas is enough.
"""

import importlib
import sys
import threading
from typing import Final

import torch

_SCHEMAS: Final = tuple(
    f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms")
)
_lock = threading.Lock()
_library: torch.library.Library | None = None  # its operators vanish with it, so it lives as long as the process


def ensure() -> bool:
    """Import torchvision, declaring the missing operators only where the plain import fails for lack of them.

    Call it before timm is imported. Does nothing on a healthy install and nothing the second time.

    Returns:
        Whether the operators had to be declared, now or earlier.

    Raises:
        RuntimeError, ImportError: torchvision cannot be imported for another reason.
    """
    global _library
    with _lock:
        if _library is not None or "torchvision" in sys.modules:
            return _library is not None
        try:
            importlib.import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise
            _forget_half_imported()
            _library = torch.library.Library("torchvision", "DEF")
            for schema in _SCHEMAS:
                _library.define(schema)
            importlib.import_module("torchvision")
        return _library is not None


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]
