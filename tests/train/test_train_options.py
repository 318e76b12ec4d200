"""What the options of fine-tuning do to its steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training import run, same_weights, small_fit, small_recipe

from imgkit.errors import UsageError
from imgkit.signals import StopFlag
from imgkit.train.config import TrainConfig
from imgkit.train.data.batches import Batch
from imgkit.train.data.mixing import Mix, draw_mix
from imgkit.train.finetune.compiling import compile_if_it_pays
from imgkit.train.finetune.loss import Objective, log_prior
from imgkit.train.finetune.lr_finder import find_rate, smooth, suggest
from imgkit.train.finetune.optimiser import Optimiser
from imgkit.train.finetune.recipe import Recipe, recipe
from imgkit.train.sanity_checks import checked, ignored_settings

CONFIG = TrainConfig(data=Path("pictures"))


class Told:
    """A progress that remembers what was said."""

    def __init__(self):
        self.lines = []

    def start(self, title, total=None):
        pass

    def advance(self, steps=1, note=""):
        pass

    def say(self, line):
        self.lines.append(line)


# sizes


def test_the_steps_are_shared_out_over_the_sizes_in_their_order():
    made = small_recipe(steps=6, sizes=(16, 24, 32))

    assert [made.size(step) for step in range(6)] == [16, 16, 24, 24, 32, 32]
    assert made.work == pytest.approx((0.25 + 0.5625 + 1) / 3)
    assert small_recipe().size(3) is None


def test_training_pictures_have_the_size_of_their_step_and_a_resumed_run_keeps_to_it(tmp_path):
    fit = small_fit(tmp_path, sizes=(16, 32))

    assert [fit.batches[step].images.shape[-1] for step in (0, 3, 4, 7)] == [16, 16, 32, 32]
    assert [row.epoch for row in run(fit).rows] == [1, 2]


def test_the_last_size_is_that_of_the_model():
    made = checked(replace(CONFIG, progressive=(160, 224)))

    assert made.size == 224


def test_settings_that_do_nothing_without_fine_tuning_are_named():
    assert ignored_settings(CONFIG) == []
    assert ignored_settings(replace(CONFIG, lr=1e-3, progressive=(160, 224), size=224, seed=3)) == ["progressive", "lr"]


@pytest.mark.parametrize(
    ("changes", "backbone"),
    [
        ({}, None),
        ({"preset": "fast"}, "tf_efficientnet_lite0"),
        ({"preset": "best"}, "mobilenetv4_conv_medium.e500_r256_in1k"),
        ({"preset": "best", "backbone": "resnet18.a1_in1k"}, "resnet18.a1_in1k"),
    ],
)
def test_a_preset_names_a_backbone_where_nobody_does(changes, backbone):
    assert checked(replace(CONFIG, device="cpu", **changes)).backbone == backbone


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "good"}, "Choose fast, default, best."),
        ({"progressive": (224, 160)}, "--progressive 224,160 does not grow"),
        ({"progressive": (160, 160)}, "does not grow"),
        ({"progressive": (160, 224), "size": 192}, "--progressive ends at 224 px and --size is 192"),
        ({"size": 8}, "a size of 8 px cannot be used"),
        ({"balance": "more"}, "--balance more is not known. Nothing was changed. Choose auto, none, sampler, logits."),
        ({"recipe": "medium"}, "Choose short, long."),
        ({"precision": "int8"}, "Choose auto, fp32, bf16, fp16."),
        ({"track": "comet"}, "--track comet is not known"),
        ({"weights": "/nowhere.pth"}, "--weights /nowhere.pth is no file"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_in_one_sentence(changes, sentence):
    with pytest.raises(UsageError) as refusal:
        checked(replace(CONFIG, **changes))

    assert sentence in str(refusal.value)
    assert "Nothing was changed." in str(refusal.value)


# recipes


def test_the_long_recipe_mixes_pictures_and_takes_four_times_the_steps_but_the_last_ones_see_whole_pictures():
    targets = [0, 1] * 320

    short, long = (recipe(replace(CONFIG, recipe=name), targets, on_gpu=True) for name in ("short", "long"))

    assert (short.steps, short.mixed_steps) == (400, 0)
    assert (long.steps, long.mixed_steps) == (1600, 1360)
    assert (long.mixup, long.cutmix) == (0.2, 0.5)


@pytest.mark.parametrize(
    ("asked", "rare", "sampled", "adjusted"),
    [
        ("auto", 10, True, False),
        ("auto", 40, False, False),
        ("none", 10, False, False),
        ("sampler", 40, True, False),
        ("logits", 10, False, True),
    ],
)
def test_rare_labels_are_helped_as_asked(asked, rare, sampled, adjusted):
    made = recipe(replace(CONFIG, balance=asked), [0] * 60 + [1] * rare, on_gpu=False)

    assert (made.balance, made.adjust) == (sampled, adjusted)


def test_a_recipe_survives_json_and_one_of_before_the_options_does_too():
    made = small_recipe(sizes=(160, 224), mixup=0.2, mixed_steps=3)
    values = {"steps": 8, "steps_per_epoch": 4, "batch": 4, "lr": 1e-3, "layer_decay": 0.9, "weight_decay": 0.05}
    values |= {"smoothing": 0.1, "warm_up": 1, "ema_decay": 0.5, "balance": False, "monitor": "macro-f1"}

    assert Recipe.from_json({**made_as_json(made), "sizes": [160, 224]}) == made
    assert Recipe.from_json({**values, "patience": None, "seed": 0}) == small_recipe()


def made_as_json(made):
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


# mixing


def test_blended_pictures_are_a_weighted_mean():
    mixed = Mix(share=0.25, box=None)(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))

    assert mixed.unique().tolist() == [0.25]


def test_a_pasted_box_replaces_the_pixels_that_its_share_says():
    for seed in range(20):
        mix = draw_mix(seed, mixup=0.0, cutmix=1.0, size=32)
        mixed = mix(torch.ones(2, 3, 32, 32), torch.zeros(2, 3, 32, 32))
        assert float(mixed.mean()) == pytest.approx(mix.share)


def test_about_half_of_the_batches_are_blended_and_the_same_seed_mixes_alike():
    mixes = [draw_mix(seed, mixup=0.2, cutmix=0.5, size=32) for seed in range(200)]

    assert 70 < sum(mix.box is None for mix in mixes) < 130
    assert draw_mix(7, mixup=0.2, cutmix=0.5, size=32) == draw_mix(7, mixup=0.2, cutmix=0.5, size=32)


def test_a_picture_is_mixed_with_the_one_as_far_from_the_end_and_keeps_its_labels_with_it(tmp_path):
    plain = small_fit(tmp_path / "plain").batches[0]
    mixed = small_fit(tmp_path / "mixed", mixup=1.0, mixed_steps=1).batches[0]

    expected = plain.images * mixed.share + plain.images.flip(0) * (1 - mixed.share)
    assert torch.allclose(mixed.images, expected)
    assert torch.equal(mixed.others, plain.targets.flip(0))
    assert small_fit(tmp_path / "after", mixup=1.0, mixed_steps=1).batches[1].others is None


def test_training_on_mixed_pictures_learns(tmp_path):
    found = run(small_fit(tmp_path, steps=24, mixup=0.2, cutmix=0.5, mixed_steps=20))

    assert found.winner.judgement.nll < found.probe.nll


# the objective


def batch_of(targets, others=None, share=1.0):
    targets = torch.tensor(targets)
    return Batch(
        images=torch.zeros(len(targets), 3, 2, 2),
        targets=targets,
        start=0,
        whole=len(targets),
        others=None if others is None else torch.tensor(others),
        share=share,
    )


def test_the_loss_of_a_mixed_picture_is_that_of_both_labels_by_their_shares():
    logits, plain = torch.tensor([[2.0, 0.0]]), Objective(smoothing=0.0)
    first, second = float(plain.loss(logits, batch_of([0]))), float(plain.loss(logits, batch_of([1])))

    mixed = batch_of([0], others=[1], share=0.75)

    assert float(plain.loss(logits, mixed)) == pytest.approx(0.75 * first + 0.25 * second)
    assert float(plain.hits(logits, mixed)) == pytest.approx(0.75)


def test_adjusted_logits_ask_more_of_a_rare_label():
    prior = log_prior([0] * 9 + [1], 2)
    even, adjusted = Objective(smoothing=0.0), Objective(smoothing=0.0, prior=prior)
    undecided = torch.zeros(1, 2)

    assert prior.exp().tolist() == pytest.approx([0.9, 0.1])
    assert float(adjusted.loss(undecided, batch_of([1]))) == pytest.approx(-np.log(0.1), rel=1e-5)
    assert float(even.loss(undecided, batch_of([1]))) == pytest.approx(np.log(2), rel=1e-5)


# the optimiser


def weights_after(losses, precision="float32"):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 2))
    optimiser = Optimiser(model, layer_decay=1.0, weight_decay=0.0, precision=precision)
    optimiser.set_rate(0.1)
    seen = []
    for factor in losses:
        optimiser.clear()
        loss = model(torch.ones(1, 4)).square().sum() * factor
        optimiser.backward(loss)
        optimiser.step(loss.detach())
        seen.append(optimiser.bad_steps())
    return model[0].weight.detach().clone(), seen


def test_a_loss_that_is_not_a_number_changes_no_weight_and_no_momentum_and_is_counted():
    expected, _ = weights_after([1.0, 1.0])

    found, bad = weights_after([1.0, float("nan"), float("inf"), 1.0])

    assert torch.equal(found, expected)
    assert bad == [0, 1, 2, 0]


def test_losses_in_half_precision_are_scaled_and_the_scale_halves_when_it_is_too_large():
    expected, _ = weights_after([1.0, 1.0])

    found, bad = weights_after([1.0, 1e38, 1.0], precision="float16")

    assert torch.allclose(found, expected, atol=1e-6)
    assert bad == [0, 1, 0]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_training_learns_in_half_precision(tmp_path, precision):
    found = run(small_fit(tmp_path, steps=24, precision=precision))

    assert found.winner.judgement.nll < found.probe.nll


# the rate finder


def test_the_rates_that_were_tried_leave_the_weights_as_they_were(tmp_path):
    fit, untouched = small_fit(tmp_path / "tried"), small_fit(tmp_path / "untouched")

    found = find_rate(fit, Told(), StopFlag())

    assert same_weights(fit.model.state_dict(), untouched.model.state_dict())
    assert same_weights(run(fit).winner.state, run(untouched).winner.state)
    assert len(found.rates) == len(found.losses) > 10


RATES = [10.0 ** (power / 4) for power in range(-24, -4)]
STILL = [1.0, 1.1, 0.9] * 4  # batches differ; rates so small change nothing


def test_a_tenth_of_the_rate_with_the_lowest_loss_is_suggested():
    found = suggest(RATES, [*STILL, 0.5, 0.2, 0.01, 0.005, 5.0, 50.0])

    assert found.suggestion == pytest.approx(RATES[14] / 10)


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [0.01] * 18,
        [float("nan")] * 18,
        [1.0 + step for step in range(18)],
        [*STILL, 0.9, 0.9, 1.0, 1.1, 5.0, 50.0],
        [1.0, 0.4, *STILL, 1.0, 1.1, 5.0, 50.0],
    ],
    ids=["none", "flat", "not a number", "rising", "no more than batches differ", "an easy batch first"],
)
def test_a_curve_that_does_not_fall_suggests_nothing(losses):
    assert suggest(RATES, losses).suggestion is None


def test_a_running_mean_begins_with_the_first_value():
    assert smooth([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert smooth([1.0, 0.0])[1] == pytest.approx(0.09 / 0.19)


# compiling


class Clock:
    """Time that passes only in steps and while compiling."""

    def __init__(self, fit, plain, compiled):
        self.now, self._fit, self._model = 0.0, fit, fit.forward
        try_step = fit.try_step

        def timed():
            try_step()
            self.now += plain if fit.forward is self._model else compiled

        fit.try_step = timed

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("plain", "compiled", "line", "used"),
    [
        (0.5, 0.1, "compile not tried: 8 steps take about 4 s, compiling about 60 s", False),
        (100.0, 50.0, "compile 2.00 times as fast after 50 s of compiling; used", True),
        (100.0, 99.0, "compile does not pay: 1.01 times as fast after 99 s; not used", False),
    ],
)
def test_compiled_steps_are_used_where_a_few_of_them_are_faster(tmp_path, plain, compiled, line, used):
    fit, told = small_fit(tmp_path), Told()
    clock, model = Clock(fit, plain, compiled), fit.forward

    compile_if_it_pays(fit, told, compiler=lambda forward: lambda images: forward(images), clock=clock)

    assert told.lines == [line]
    assert (fit.forward is not model) == used


def test_a_compiler_that_fails_leaves_the_plain_steps(tmp_path):
    fit, told = small_fit(tmp_path), Told()
    clock, model = Clock(fit, 100.0, 1.0), fit.forward

    def fail(forward):
        raise RuntimeError("no C++ compiler")

    compile_if_it_pays(fit, told, compiler=fail, clock=clock)

    assert told.lines == ["compile failed here (RuntimeError): the plain steps are taken"]
    assert fit.forward is model
