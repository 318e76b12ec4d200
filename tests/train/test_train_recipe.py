"""The numbers of fine-tuning written out: how long, how fast, which pictures in which batch, and who wins."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training import run, small_fit, small_recipe

from imgkit.errors import ResourceError
from imgkit.models.intervals import Z95, Interval
from imgkit.train.config import TrainConfig
from imgkit.train.data import augment as augmenting
from imgkit.train.data.augment import Augmentation, RandomDraws, augment, colours_of, crop_maps
from imgkit.train.data.batches import Batch, Batches, generator, step_seed
from imgkit.train.data.mixing import draw_mix
from imgkit.train.data.pixel_cache import PixelCache
from imgkit.train.finetune import trainer as training_loop
from imgkit.train.finetune.distributed import ProcessGroup, ProcessLostError
from imgkit.train.finetune.drop_path import DropPaths
from imgkit.train.finetune.loss import Objective
from imgkit.train.finetune.lr_finder import suggest
from imgkit.train.finetune.model_selection import CandidateWeights, ModelSelection
from imgkit.train.finetune.optimiser import GROWTH_STEPS, Optimiser
from imgkit.train.finetune.recipe import learning_rate_share, recipe
from imgkit.train.finetune.validator import ValidationScore
from imgkit.train.probe.learning_curve import Learning, _mean_of_groups, _part, _wanting

CONFIG = TrainConfig(data=Path("pictures"))


# how long and how fast


def test_the_rate_rises_in_equal_steps_and_falls_along_a_cosine():
    made = small_recipe(steps=8, warm_up=2)

    assert [learning_rate_share(step, made) for step in range(9)] == pytest.approx(
        [0.5, 1.0, *(0.5 * (1 + math.cos(math.pi * n / 6)) for n in range(7))]
    )
    assert learning_rate_share(99, made) == 0.0
    assert learning_rate_share(0, small_recipe(steps=4, warm_up=0)) == 1.0
    assert learning_rate_share(0, small_recipe(steps=1, warm_up=1)) == 1.0


@pytest.mark.parametrize(
    ("pictures", "on_gpu", "batch", "per_epoch", "steps"),
    [
        (5, False, 5, 1, 40),
        (32, False, 32, 1, 40),
        (63, False, 32, 1, 40),
        (64, False, 32, 2, 80),
        (640, False, 32, 20, 600),
        (672, False, 32, 21, 609),
        (3200, False, 32, 100, 1200),
        (6400, True, 64, 100, 1200),
        (64, True, 64, 1, 40),
    ],
)
def test_a_run_has_about_six_hundred_steps_in_twelve_to_forty_epochs(pictures, on_gpu, batch, per_epoch, steps):
    made = recipe(CONFIG, [n % 2 for n in range(pictures)], on_gpu=on_gpu)

    assert (made.batch, made.steps_per_epoch, made.steps) == (batch, per_epoch, steps)
    assert made.lr == pytest.approx(CONFIG.lr * math.sqrt(batch / 64))
    assert made.warm_up == round(0.1 * steps)
    assert made.ema_decay == pytest.approx(1 - 1 / max(2.0, 0.05 * steps))


def test_what_is_asked_for_goes_before_what_is_derived_and_the_minutes_before_all():
    targets = [0, 1] * 64

    def steps(seconds_per_step=None, **changes):
        return recipe(replace(CONFIG, **changes), targets, on_gpu=False, seconds_per_step=seconds_per_step).steps

    assert (steps(epochs=3), steps(steps=7, epochs=3), steps(epochs=3, batch=16)) == (12, 7, 24)
    assert (steps(epochs=3, recipe="long"), steps(steps=7, recipe="long")) == (12, 7)
    assert (steps(2.0, steps=40, minutes=1), steps(1.0, steps=40, minutes=1), steps(None, steps=40, minutes=1)) == (
        30,
        40,
        40,
    )
    assert steps(99.0, steps=40, minutes=1) == 1


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_the_last_epoch_may_be_cut_short(steps, epochs):
    assert small_recipe(steps=steps).epochs == epochs


@pytest.mark.parametrize(("largest", "balanced"), [(3, False), (4, True)])
def test_labels_are_balanced_beyond_three_to_one(largest, balanced):
    assert recipe(CONFIG, [0] * largest + [1], on_gpu=False).balance is balanced


# which pictures


def batches(targets=None, *, rank=0, size=1, augmentation=None, **changes):
    """Batches of pictures of one pixel each, whose value is their number."""
    targets = [n % 2 for n in range(10)] if targets is None else targets
    pixels = torch.arange(len(targets), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 1, 3).contiguous()
    return Batches(
        PixelCache(pixels=pixels, sizes=torch.ones(len(targets), 2)),
        targets,
        recipe=small_recipe(**{"steps": 9, "steps_per_epoch": 3, "batch": 3, **changes}),
        augmentation=augmentation,
        device=torch.device("cpu"),
        processes=ProcessGroup(rank, size),
    )


def numbers(batch):
    return (batch.images[:, 0, 0, 0] * 255).round().int().tolist()


def test_each_epoch_shows_each_picture_once_in_an_order_of_its_own():
    made = batches()
    epochs = [[n for step in range(3 * epoch, 3 * epoch + 3) for n in numbers(made[step])] for epoch in range(3)]

    assert all(len(set(shown)) == 9 for shown in epochs)  # of ten: a batch that is not full is left out
    assert len({tuple(shown) for shown in epochs}) == 3
    assert made[4].targets.tolist() == [n % 2 for n in numbers(made[4])]
    assert (made[4].start, made[4].whole, made[4].others, made[4].share) == (0, 3, None, 1.0)


def test_a_batch_is_the_same_whichever_was_asked_for_before_it():
    forwards, backwards = batches(), batches()
    first = {step: numbers(forwards[step]) for step in range(9)}

    assert {step: numbers(backwards[step]) for step in reversed(range(9))} == first
    assert [numbers(batches(seed=1)[step]) for step in range(9)] != list(first.values())


@pytest.mark.parametrize("mixed", [0, 9])
def test_the_shares_of_three_processes_are_the_batch_of_one(mixed):
    changes = {"batch": 5, "steps_per_epoch": 2, "mixed_steps": mixed, "mixup": 0.2}
    whole = batches(**changes)[3]

    parts = [batches(rank=rank, size=3, **changes)[3] for rank in range(3)]

    assert [(part.start, len(part.targets), part.whole) for part in parts] == [(0, 1, 5), (1, 2, 5), (3, 2, 5)]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)
    if mixed:
        assert torch.equal(torch.cat([part.others for part in parts]), whole.others)
        assert whole.others.tolist() == whole.targets.tolist()[::-1]
        assert {part.share for part in parts} == {whole.share}
        assert 0 < whole.share < 1


def test_training_pictures_are_varied_by_the_numbers_of_their_step_at_the_size_of_the_step():
    augmentation = Augmentation(size=4)
    made, sized = batches(augmentation=augmentation), batches(augmentation=augmentation, sizes=(2, 6))
    plain = batches()

    assert [sized[step].images.shape[-1] for step in (0, 8)] == [2, 6]
    pixels = (plain[5].images * 255).round().byte()
    expected = augment(pixels, torch.ones(3, 2), augmentation, RandomDraws(generator(0, 5), 3))
    assert torch.equal(made[5].images, expected)


def test_mixing_ends_with_the_last_mixed_step():
    made = batches(mixed_steps=4, mixup=0.2)

    assert [made[step].others is None for step in range(6)] == [False] * 4 + [True] * 2


def test_random_numbers_follow_from_the_seed_and_the_step_for_ever():
    assert [step_seed(0, 0), step_seed(1, 5), step_seed(0, -1)] == [
        3514145764401730126,
        5172170089846453548,
        6449879592563192479,
    ]
    made = batches(seed=3)
    for epoch in range(3):
        order = torch.randperm(10, generator=generator(3, -1 - epoch))
        assert numbers(made[3 * epoch]) == order[:3].tolist()
    mixed = batches(seed=3, mixed_steps=9, mixup=0.2)
    assert [mixed[step].share for step in range(3)] == [
        draw_mix(step_seed(2**33 + 3, step), mixup=0.2, cutmix=0.0, size=1).share for step in range(3)
    ]


def test_balanced_labels_are_drawn_by_the_inverse_root_of_their_size():
    targets = [0] * 160 + [1] * 10
    made = batches(targets, balance=True, batch=170, steps_per_epoch=1, steps=40)

    drawn = Counter(label for step in range(40) for label in made[step].targets.tolist())

    assert drawn[1] / sum(drawn.values()) == pytest.approx(0.2, abs=0.02)  # √10 of √160 + √10


def test_a_cut_knows_its_place_in_the_whole_batch():
    batch = Batch(images=torch.arange(6.0), targets=torch.arange(6), start=10, whole=30, others=torch.arange(6).flip(0))

    part = batch.cut(slice(2, 4))

    assert (part.images.tolist(), part.targets.tolist(), part.others.tolist()) == ([2.0, 3.0], [2, 3], [3, 2])
    assert (part.start, part.whole) == (12, 30)
    assert part.cut(slice(1, None)).start == 13
    assert part.cut(slice(None)).start == 12


# how they are varied


PICKED = ("rotate", "shear x", "shear y")
TURN = math.tan(math.pi / 6)


@pytest.mark.parametrize("size", [(100.0, 100.0), (200.0, 100.0), (50.0, 150.0)])
@pytest.mark.parametrize(
    ("name", "right", "down"),
    [("rotate", TURN, -TURN), ("shear x", 0.0, 0.3), ("shear y", 0.3, 0.0)],
)
def test_a_turn_is_thirty_degrees_and_a_shear_three_tenths_in_true_proportions(size, name, right, down):
    picked = {each: torch.full((16,), float(each == name)) for each in PICKED}
    width, height = size

    maps = crop_maps(torch.tensor([size] * 16), Augmentation(size=32), picked, RandomDraws(generator(0, 0), 16))

    assert (maps[:, 1, 0] * height / (maps[:, 0, 0] * width)).tolist() == pytest.approx([right] * 16, abs=1e-5)
    assert (maps[:, 0, 1] * width / (maps[:, 1, 1] * height)).tolist() == pytest.approx([down] * 16, abs=1e-5)
    assert 0 < int((maps[:, 0, 0] < 0).sum()) < 16  # some are mirrored


def test_a_crop_covers_its_share_of_the_area_where_it_fits():
    picked = {each: torch.zeros(500) for each in PICKED}

    maps = crop_maps(
        torch.tensor([(100.0, 100.0)] * 500),
        Augmentation(size=32, crop_area=0.3, flip=False),
        picked,
        RandomDraws(generator(0, 0), 500),
    )
    area, shape = maps[:, 0, 0] * maps[:, 1, 1], maps[:, 0, 0] / maps[:, 1, 1]

    assert 0.3 <= float(area.min()) < 0.32
    assert 0.9 < float(area.max()) <= 1
    assert 0.75 <= float(shape.min()) < 0.77
    assert 1.3 < float(shape.max()) <= 4 / 3 + 1e-5
    assert (maps[:, 0, 0] > 0).all()


def test_colours_are_scaled_by_up_to_six_tenths():
    grey = torch.tensor([0.299, 0.587, 0.114])
    strengths = {"brightness": [0.5, 0.0, 0.0, 0.0], "contrast": [0.0, -1.0, 0.0, 0.0], "saturation": [0, 0, 1.0, 0.0]}

    found = colours_of({name: torch.tensor(each) for name, each in strengths.items()})

    assert found.changed.tolist() == [True, True, True, False]
    assert found.contrast.tolist() == pytest.approx([1.0, 0.4, 1.0, 1.0])
    assert torch.allclose(found.matrices[0], 1.3 * torch.eye(3))
    assert torch.allclose(found.matrices[1], 0.4 * torch.eye(3))
    assert torch.allclose(found.matrices[2], 1.6 * torch.eye(3) - 0.6 * grey.expand(3, 3))
    assert torch.equal(found.matrices[3], torch.eye(3))


@pytest.mark.parametrize(("keep_color", "operations"), [(False, 7), (True, 6)])
def test_one_of_seven_things_happens_to_a_picture_and_of_six_where_colours_stay(monkeypatch, keep_color, operations):
    asked, seen = [], {}

    class Draws(RandomDraws):
        def choice(self, count):
            asked.append(count)
            return torch.arange(count)[: self._whole]

        def uniform(self, low=0.0, high=1.0):
            return torch.full((self._whole,), high)

    def maps(sizes, augmentation, picked, dice):
        seen.update(picked)
        return crop_maps(sizes, augmentation, picked, dice)

    monkeypatch.setattr(augmenting, "crop_maps", maps)
    pixels = torch.zeros(operations, 3, 8, 8, dtype=torch.uint8)

    augment(
        pixels,
        torch.full((operations, 2), 8.0),
        Augmentation(size=8, keep_color=keep_color),
        Draws(generator(0, 0), operations),
    )

    names = ["identity", "rotate", "shear x", "shear y", "brightness", "contrast", "saturation"][:operations]
    assert asked == [operations]
    assert list(seen) == names
    assert [seen[name].nonzero().flatten().tolist() for name in names] == [[n] for n in range(operations)]


@pytest.mark.parametrize(
    ("area", "shape", "centre", "box"),
    [
        (0.16, 0.0, (0.5, 0.5), (30, 70, 30, 70)),
        (0.16, math.log(4), (0.5, 0.5), (40, 60, 10, 90)),
        (0.16, 0.0, (0.0, 1.0), (80, 100, 0, 20)),
    ],
)
def test_an_erased_box_covers_its_share_of_the_area_around_its_place(area, shape, centre, box):
    told, asked = iter([0.0999, area, shape, *centre]), []

    class Draws(RandomDraws):
        def uniform(self, low=0.0, high=1.0):
            asked.append((low, high))
            return torch.tensor([next(told), 0.1])[:1].repeat(1)

    images = augmenting._erase(torch.ones(1, 3, 100, 100), Draws(generator(0, 0), 1))

    top, bottom, left, right = box
    assert (images[:, :, top:bottom, left:right] == 0.5).all()
    assert int((images == 0.5).sum()) == 3 * (bottom - top) * (right - left)
    assert asked == [(0.0, 1.0), (0.02, 0.2), pytest.approx((math.log(0.3), -math.log(0.3))), (0.0, 1.0), (0.0, 1.0)]


# what is left out


def test_a_branch_is_left_out_by_picture_and_the_rest_keeps_the_mean():
    fit = torch.nn.Sequential()
    from timm.layers.drop import DropPath

    fit.add_module("one", DropPath(0.25))
    fit.add_module("off", DropPath(0.0))
    paths = DropPaths(fit)
    layer = fit.one.train()

    paths.draw(generator(0, 0), 400, torch.device("cpu"))
    paths.show(0, 400)
    whole = layer(torch.ones(400, 1, 1))
    parts = []
    for start, count in ((0, 150), (150, 250)):
        paths.show(start, count)
        parts.append(layer(torch.ones(count, 1, 1)))

    assert sorted({round(value, 5) for value in whole.flatten().tolist()}) == [0.0, 1.33333]
    assert float(whole.mean()) == pytest.approx(1.0, abs=0.1)
    assert torch.equal(torch.cat(parts), whole)
    assert type(fit.off) is DropPath
    assert torch.equal(layer.eval()(torch.ones(250, 1, 1)), torch.ones(250, 1, 1))


# losses and steps


def test_smoothing_takes_its_share_of_the_target_evenly():
    logits, batch = (
        torch.tensor([[2.0, 0.0, -1.0]]),
        Batch(images=torch.zeros(1), targets=torch.tensor([0]), start=0, whole=1),
    )
    logs = logits.log_softmax(dim=1)[0]

    assert float(Objective(smoothing=0.3).loss(logits, batch)) == pytest.approx(
        float(-(0.8 * logs[0] + 0.1 * (logs[1] + logs[2])))
    )
    assert int(Objective(smoothing=0.3).hits(logits, batch)) == 1


def test_a_mixed_picture_that_is_named_after_the_other_one_counts_by_its_share():
    batch = Batch(
        images=torch.zeros(2), targets=torch.tensor([0, 0]), start=0, whole=2, others=torch.tensor([1, 0]), share=0.75
    )

    assert float(Objective(smoothing=0.0).hits(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), batch)) == pytest.approx(1.25)


def test_the_loss_is_the_sum_over_the_pictures():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    batch = Batch(images=torch.zeros(2), targets=torch.tensor([0, 0]), start=0, whole=2)

    assert float(Objective(smoothing=0.0).loss(logits, batch)) == pytest.approx(
        math.log(1 + math.exp(-2)) + math.log(1 + math.e)
    )
    assert int(Objective(smoothing=0.0).hits(logits, batch)) == 1


def one_weight(precision="float32"):
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False))
    torch.nn.init.constant_(model[0].weight, 1.0)
    return model, Optimiser(model, layer_decay=1.0, weight_decay=0.0, precision=precision)


def test_gradients_are_clipped_to_one_and_the_norm_is_that_before():
    model, optimiser = one_weight()
    optimiser.set_rate(0.0)
    loss = 7.0 * model(torch.ones(1, 1)).sum()
    optimiser.backward(loss)

    norm, finite = optimiser.step(loss.detach())

    assert (float(norm), bool(finite)) == (7.0, True)
    assert float(model[0].weight.grad) == pytest.approx(1.0, abs=1e-5)


def test_gradients_of_two_backward_calls_add_up_until_they_are_cleared():
    model, optimiser = one_weight()
    for _ in range(2):
        optimiser.backward(0.25 * model(torch.ones(1, 1)).sum())

    assert float(model[0].weight.grad) == pytest.approx(0.5)
    optimiser.clear()
    assert model[0].weight.grad is None


@pytest.mark.parametrize(("calm", "scale"), [(GROWTH_STEPS - 2, 4.0), (GROWTH_STEPS - 1, 8.0)])
def test_the_scale_of_losses_doubles_after_two_thousand_calm_steps(calm, scale):
    assert GROWTH_STEPS == 2000
    model, optimiser = one_weight("float16")
    optimiser._scale = torch.tensor([4.0, float(calm), 0.0])
    optimiser.set_rate(0.0)
    loss = model(torch.ones(1, 1)).sum()
    optimiser.backward(loss)

    optimiser.step(loss.detach())

    assert optimiser._scale.tolist() == [scale, 0.0 if scale == 8.0 else calm + 1.0, 0.0]


def test_each_layer_learns_slower_than_the_one_above_by_the_same_factor(tmp_path):
    optimiser = small_fit(tmp_path, layer_decay=0.5)._optimiser

    optimiser.set_rate(0.8)

    rates = sorted({round(group["lr"], 9) for group in optimiser._adam.param_groups}, reverse=True)
    assert rates == pytest.approx([0.8 * 0.5**depth for depth in range(len(rates))])
    assert len(rates) > 2


def test_state_that_is_taken_up_has_no_bad_steps_and_what_is_forgotten_has_no_momentum():
    model, optimiser = one_weight()
    loss = model(torch.ones(1, 1)).sum()
    optimiser.backward(loss)
    optimiser.step(loss.detach())
    optimiser.step(torch.tensor(float("nan")))
    stored = optimiser.tensors()
    assert optimiser.bad_steps() == 1

    _, other = one_weight()
    other.load(stored)
    assert other.bad_steps() == 0
    assert {name: tensor.tolist() for name, tensor in other.tensors().items() if "exp_avg" in name} == {
        name: tensor.tolist() for name, tensor in stored.items() if "exp_avg" in name
    }
    other.forget()

    assert list(other.tensors()) == ["optimizer/scale"]


# who wins


def judged(f1, nll=1.0, accuracy=0.5):
    return ValidationScore(macro_f1=f1, accuracy=accuracy, nll=nll)


def candidate(name, f1, nll=1.0, value=0.0):
    return CandidateWeights(name=name, judgement=judged(f1, nll), state={"weight": torch.tensor([value])})


@pytest.mark.parametrize(
    ("monitor", "rank"), [("macro-f1", (0.8, -0.3)), ("accuracy", (0.9, -0.3)), ("loss", (-0.3, -0.3))]
)
def test_what_is_compared_is_what_is_watched_and_then_the_loss(monitor, rank):
    assert judged(0.8, 0.3, 0.9).rank(monitor) == rank


def test_scores_that_differ_by_rounding_only_are_level():
    assert judged(0.1 + 0.2, 0.3).rank("macro-f1") == judged(0.3, 0.3).rank("macro-f1")


def test_three_candidates_stay_and_the_best_one_is_told():
    selection = ModelSelection("macro-f1")

    told = [
        selection.enter(candidate(name, f1))
        for name, f1 in (("a", 0.5), ("b", 0.7), ("c", 0.7), ("d", 0.6), ("e", 0.5))
    ]

    assert told == [True, True, False, False, False]
    assert [each.name for each in selection.best] == ["b", "c", "d"]


def test_two_candidates_make_a_soup():
    selection = ModelSelection("macro-f1", [candidate("a", 0.9, 1.0, 0.0), candidate("b", 0.8, 1.0, 4.0)])
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.zeros(1))

    soup = selection.soup(model, lambda mixed: judged(0.95))

    assert (soup.name, soup.state["weight"].item()) == ("soup of a, b", 2.0)


def soup_of(*f1s):
    """The soup of candidates of 0.9, 0.8 and 0.7, whose averages are judged in turn."""
    selection = ModelSelection(
        "macro-f1", [candidate(*one) for one in (("a", 0.9, 1.0, 0.0), ("b", 0.8, 1.0, 3.0), ("c", 0.7, 1.0, 6.0))]
    )
    model, scores, seen = torch.nn.Module(), iter(f1s), []
    model.weight = torch.nn.Parameter(torch.zeros(1))

    def judge(mixed):
        seen.append(float(mixed.weight.detach()))
        return judged(next(scores))

    return selection.soup(model, judge), seen


def test_a_member_that_makes_it_worse_is_left_out_and_the_next_one_is_still_tried():
    soup, seen = soup_of(0.85, 0.95)

    assert (soup.name, soup.state["weight"].item(), soup.judgement.macro_f1) == ("soup of a, c", 3.0, 0.95)
    assert seen == [1.5, 3.0]


def test_members_that_make_it_no_worse_are_mixed_in_evenly():
    soup, seen = soup_of(0.9, 0.95)

    assert (soup.name, soup.state["weight"].item(), soup.judgement.macro_f1) == ("soup of a, b, c", 3.0, 0.95)
    assert seen == [1.5, 3.0]
    assert soup_of(0.9, 0.89)[0].name == "soup of a, b"
    assert ModelSelection("macro-f1", [candidate("a", 0.9)]).soup(torch.nn.Module(), judged) is None


def test_a_soup_wins_only_where_it_is_better_than_every_candidate(tmp_path):
    def winner(f1_of_soup):
        scores = iter([0.5, 0.6, 0.7, 0.6, 0.7, f1_of_soup, f1_of_soup])  # probe, two epochs with averages, soups
        return run(
            small_fit(tmp_path / str(f1_of_soup), validator=lambda model, stop: judged(next(scores)))
        ).winner.name

    assert winner(0.8) == "soup of average at epoch 1, average at epoch 2, epoch 1"
    assert winner(0.7) == "average at epoch 1"


# the log of the epochs


def test_each_epoch_has_the_rate_of_its_last_step_and_the_seconds_of_its_own_steps(tmp_path, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(
        training_loop, "time", SimpleNamespace(monotonic=lambda: float(next(clock)))
    )  # of this module alone
    fit = small_fit(tmp_path, steps=10, checkpoint_seconds=1e9)

    rows = run(fit).rows

    assert [(row.epoch, row.step) for row in rows] == [(1, 4), (2, 8), (3, 10)]
    assert [row.lr for row in rows] == pytest.approx(
        [1e-3 * learning_rate_share(step, fit.recipe) for step in (3, 7, 9)]
    )
    assert [row.seconds for row in rows] == [4.0, 4.0, 2.0]  # the clock ticks once within each step
    assert [row.images_per_second for row in rows] == [4.0] * 3


def test_the_state_is_saved_once_so_many_seconds_have_passed(tmp_path, monkeypatch):
    clock, saved = iter(range(10_000)), []
    monkeypatch.setattr(
        training_loop, "time", SimpleNamespace(monotonic=lambda: float(next(clock)))
    )  # of this module alone
    fit = small_fit(tmp_path, steps=12, checkpoint_seconds=10.0)
    save = fit.save
    monkeypatch.setattr(fit, "save", lambda: (saved.append(fit.step), save()))

    run(fit)

    assert saved == [0, 4, 8, 12]  # three ticks a step, and one for each time of saving


def test_a_process_that_is_lost_leaves_the_state_and_the_way_to_go_on(tmp_path, monkeypatch):
    fit, saved = small_fit(tmp_path), []
    monkeypatch.setattr(fit, "save", lambda: saved.append(fit.step))

    def lost(loss, hits, stop):
        if fit.step == 2:
            raise ProcessLostError("gone")
        return loss, hits

    monkeypatch.setattr(fit, "_all_reduce", lost)

    with pytest.raises(ResourceError, match=r"ended at step 2 of 8\. The state is saved in .* --resume") as error:
        run(fit)

    assert error.value.code == "train.lost"
    assert saved == [0, 2]


def test_the_batch_is_halved_four_times_at_most_when_memory_runs_out(tmp_path, monkeypatch):
    fit = small_fit(tmp_path, steps=1, batch=16, steps_per_epoch=1)

    def full(images):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(fit, "_normalise", full)
    fit.validator = lambda model, stop: judged(0.5)

    with pytest.raises(torch.OutOfMemoryError):
        run(fit)

    assert [int(note.split(": ")[1].split()[0]) for note in fit.notes] == [8, 4, 2, 1]


# the rate finder


@pytest.mark.parametrize(("gain", "found"), [(0.03, True), (0.015, False)])
def test_a_curve_must_fall_by_two_percent(gain, found):
    rates = [10.0 ** (power / 4) for power in range(-24, 56)]
    losses = [1.0] * 10 + [1.0 - gain] * 70

    assert (suggest(rates, losses).suggestion is not None) is found


# the learning curve


def test_smaller_parts_lie_inside_the_larger_ones_and_hold_one_group_of_each_label_at_least(picture):
    pictures = [picture("coral", f"c{n // 2}") for n in range(16)] + [picture("king", "k")]

    parts = {
        share: set(np.flatnonzero(_part(pictures, share, seed=3)).tolist()) for share in (0.25, 0.3, 0.5, 0.75, 1.0)
    }

    assert [len(part) for part in parts.values()] == [5, 7, 9, 13, 17]  # whole groups of two, and the king
    assert parts[0.25] < parts[0.5] < parts[0.75] < parts[1.0]
    assert all(16 in part for part in parts.values())
    assert parts[0.5] != set(np.flatnonzero(_part(pictures, 0.5, seed=4)).tolist())
    three = [picture(label, f"{label}{n}") for label, count in (("a", 8), ("b", 4), ("c", 2)) for n in range(count)]
    chosen = Counter(one.label for one, taken in zip(three, _part(three, 0.5, seed=0), strict=True) if taken)
    assert chosen == {"a": 4, "b": 2, "c": 1}


def test_the_interval_of_a_gain_counts_copies_together():
    values, groups = np.array([1.0, 1.0, 0.0, -1.0]), np.array([0, 0, 1, 2])

    found = _mean_of_groups(values, groups)

    # sums of the groups less their means: 1.5, -0.25 and -1.25
    assert found.value == 0.25
    assert found.half_width == pytest.approx(Z95 * math.sqrt(1.5**2 + 0.25**2 + 1.25**2) / 4)


def test_the_three_labels_that_rose_most_are_named_in_order():
    gains, targets = np.array([1.0, 1, 0, 1, 1, 1, 1, -1]), np.array([0, 0, 1, 2, 3, 3, 3, 4])

    assert _wanting(gains, targets, ["a", "b", "c", "d", "e"]) == ["d", "a", "c"]


@pytest.mark.parametrize(
    ("value", "low", "rising"), [(0.006, 0.001, True), (0.005, 0.001, False), (0.5, 0.0, False), (0.5, 0.001, True)]
)
def test_more_pictures_help_where_the_gain_is_worth_telling_and_surely_one(value, low, rising):
    assert Learning(points=(), gain=Interval(value=value, low=low, high=1.0), wanting=()).rising is rising
