"""Names of the 1,000 classes that networks of ImageNet tell apart."""

from functools import lru_cache

from imgkit.vision.features import torchvision_ops

torchvision_ops.ensure()

from timm.data import ImageNetInfo  # noqa: E402


@lru_cache(maxsize=1)
def class_names() -> tuple[str, ...]:
    """Return the first name of each class, in lower case, by number."""
    info = ImageNetInfo()
    return tuple(str(info.index_to_description(number)).split(",")[0].lower() for number in range(1000))
