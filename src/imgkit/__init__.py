"""From a list of words to a trustworthy image classifier: harvest, curate, train.

import imgkit

data = imgkit.open("data")
data.harvest("queries/snakes.csv", per_label=200)
data.curate()
run = data.train()
run.model.predict("picture.jpg")

imgkit.load("runs/first").predict("picture.jpg")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgkit.errors import ImgkitError as ImgkitError
    from imgkit.interface import Dataset as Dataset
    from imgkit.interface import Model as Model
    from imgkit.interface import Predictions as Predictions
    from imgkit.interface import Run as Run
    from imgkit.interface import fit as fit
    from imgkit.interface import load_model as load
    from imgkit.interface import open_data as open
    from imgkit.progress import Silent as Silent

__version__ = "0.1.0"

_PUBLIC = {
    "open": ("imgkit.interface", "open_data"),
    "load": ("imgkit.interface", "load_model"),
    "fit": ("imgkit.interface", "fit"),
    "Dataset": ("imgkit.interface", "Dataset"),
    "Model": ("imgkit.interface", "Model"),
    "Predictions": ("imgkit.interface", "Predictions"),
    "Run": ("imgkit.interface", "Run"),
    "Silent": ("imgkit.progress", "Silent"),
    "ImgkitError": ("imgkit.errors", "ImgkitError"),
}
"""Public name to the module and name that it stands for; each is imported when it is first asked for."""

__all__ = ["Dataset", "ImgkitError", "Model", "Predictions", "Run", "Silent", "__version__", "fit", "load", "open"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (any of the names above)
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
