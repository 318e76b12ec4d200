import pytest
import torch
from torch import nn

from imgkit.vision.features.folding import Conv2dSame, fold


class Net(nn.Module):
    """A convolution and a normalisation, used one after the other or not."""

    def __init__(self, *, follow):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.follow = follow
        nn.init.uniform_(self.norm.running_mean)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)

    def forward_features(self, x):
        return self.norm(self.conv(x)) if self.follow else self.conv(self.norm(x))


def norms(model):
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_a_normalisation_behind_a_convolution_is_folded_into_it():
    model, batch = Net(follow=True).eval(), torch.rand(2, 3, 8, 8)

    folded = fold(model, batch)

    assert (norms(model), norms(folded)) == (1, 0)
    assert torch.allclose(model.forward_features(batch), folded.forward_features(batch), atol=1e-5)


def test_a_normalisation_that_comes_before_its_convolution_stays():
    model = Net(follow=False).eval()

    assert fold(model, torch.rand(2, 3, 8, 8)) is model
    assert norms(model) == 1


class Padded(nn.Module):
    """Convolutions that timm pads as TensorFlow does."""

    def __init__(self, *, kernel, stride):
        super().__init__()
        self.first = Conv2dSame(3, 4, kernel, stride)
        self.second = Conv2dSame(4, 4, kernel, stride, groups=4, bias=False)

    def forward_features(self, x):
        return self.second(self.first(x))


@pytest.mark.parametrize("side", [16, 17, 18, 23])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [3, 5])
def test_convolutions_pad_by_themselves_what_was_padded_apart(kernel, stride, side):
    model, batch = Padded(kernel=kernel, stride=stride).eval(), torch.rand(2, 3, side, side + 5)

    folded = fold(model, batch)

    assert not any(isinstance(module, Conv2dSame) for module in folded.modules())
    assert any(isinstance(module, Conv2dSame) for module in model.modules())
    torch.testing.assert_close(folded.forward_features(batch), model.forward_features(batch))
