import pytest
import torch
from training import run, same_weights, small_fit

from imgkit.signals import StopFlag
from imgkit.train.finetune import checkpoint
from imgkit.train.finetune.model_selection import CandidateWeights, ModelSelection, average
from imgkit.train.finetune.validator import ValidationScore


class StopAt(StopFlag):
    """Asks to stop once a fit has come to a step."""

    def __init__(self, fit, step):
        super().__init__()
        self._fit, self._step = fit, step

    def __bool__(self):
        return self._fit.step >= self._step and len(self._fit.rows) * 4 <= self._step

    def pass_on(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize("step", [1, 3, 4, 7])
def test_a_run_that_was_stopped_anywhere_and_resumed_ends_with_the_same_weights_to_the_last_bit(tmp_path, step):
    whole = small_fit(tmp_path / "whole")
    expected = run(whole)

    stopped = small_fit(tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        run(stopped, StopAt(stopped, step))
    resumed = small_fit(tmp_path / "stopped")
    assert resumed.resume()
    assert resumed.step == step
    found = run(resumed)

    assert same_weights(resumed.model.state_dict(), whole.model.state_dict())
    assert same_weights(found.winner.state, expected.winner.state)
    assert [row.train_loss for row in found.rows] == [row.train_loss for row in expected.rows]


def test_another_seed_gives_other_weights(tmp_path):
    first, second = small_fit(tmp_path / "0"), small_fit(tmp_path / "1", seed=1)

    run(first)
    run(second)

    assert not same_weights(first.model.state_dict(), second.model.state_dict())


def test_training_learns(tmp_path):
    fit = small_fit(tmp_path, steps=24)

    found = run(fit)

    assert found.winner.judgement.nll < found.probe.nll
    assert found.rows[-1].train_loss < found.rows[0].train_loss


def test_every_layer_learns_and_the_pretrained_statistics_stay(tmp_path):
    fit = small_fit(tmp_path)
    before = {name: tensor.clone() for name, tensor in fit.model.state_dict().items()}

    run(fit)

    after = small_fit(tmp_path / "other").model.state_dict()
    checkpointed = fit.model.state_dict()
    assert same_weights(before, after)
    learned = {name for name, _ in fit.model.named_parameters()}
    assert {name for name in before if not torch.equal(before[name], checkpointed[name])} == learned


def test_the_probe_stays_when_nothing_beats_it(tmp_path):
    calls = []

    def judge(model, stop):
        calls.append(1)
        return ValidationScore(macro_f1=0.9 if len(calls) == 1 else 0.8, accuracy=0.9, nll=0.1)

    found = run(small_fit(tmp_path, validator=judge))

    assert found.winner.name == "probe"


def test_a_loss_that_is_not_a_number_goes_back_once_at_half_the_rate_and_then_keeps_the_best(tmp_path):
    fit = small_fit(tmp_path, steps=400, steps_per_epoch=4)
    normalise = fit._normalise
    fit._normalise = lambda images: normalise(images) * (float("nan") if fit.step >= 4 else 1.0)

    found = run(fit)

    assert [note.split(":")[0] for note in found.notes] == [
        "the loss was not a number at epoch 4, step 14",
        "the loss was not a number at epoch 4, step 14, again",
    ]
    assert all(torch.isfinite(tensor).all() for tensor in found.winner.state.values())


def test_when_memory_runs_out_fewer_pictures_are_computed_at_once_and_the_step_is_the_same(tmp_path):
    roomy = small_fit(tmp_path / "roomy", steps=2, drop_path=0.0)
    tight = small_fit(tmp_path / "tight", steps=2, drop_path=0.0)
    normalise = tight._normalise

    def normalise_two(images):
        if len(images) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return normalise(images)

    tight._normalise = normalise_two
    expected, found = run(roomy), run(tight)

    assert found.notes == ("out of memory at step 0: 2 pictures are computed at once now",)
    assert found.rows[0].train_loss == pytest.approx(expected.rows[0].train_loss, rel=1e-4)
    assert found.rows[0].gradient_norm == pytest.approx(expected.rows[0].gradient_norm, rel=1e-3)


@pytest.mark.parametrize(
    ("patience", "scores", "epochs"),
    [
        pytest.param(1, [0.5], 2, id="one epoch without a better one"),
        pytest.param(2, [0.5], 3, id="two epochs without a better one"),
        pytest.param(1, [0.5, 0.6, 0.6], 3, id="the better one counts afresh"),
        pytest.param(2, [0.5, 0.4, 0.6, 0.6, 0.5], 5, id="two in a row, not two in all"),
        pytest.param(None, [0.5], 10, id="no patience asked for: to the end"),
    ],
)
def test_patience_counts_the_epochs_since_the_best_one(tmp_path, patience, scores, epochs):
    judged = 0

    def judge(model, stop):
        nonlocal judged
        place = max(0, (judged - 1) // 2)  # the probe first, then weights and average of each epoch
        judged += 1
        score = scores[min(place, len(scores) - 1)]
        return ValidationScore(macro_f1=score, accuracy=score, nll=0.5)

    found = run(small_fit(tmp_path, validator=judge, steps=40, patience=patience))

    assert len(found.rows) == epochs


def test_each_epoch_has_the_loss_and_the_hits_of_its_own_steps(tmp_path, monkeypatch):
    fit, taken = small_fit(tmp_path, steps=12), []
    accumulate = fit._accumulate

    def remembered(batch):
        loss, hits = accumulate(batch)
        taken.append((float(loss), float(hits)))
        return loss, hits

    monkeypatch.setattr(fit, "_accumulate", remembered)

    found = run(fit)

    assert len(taken) == 12
    for number, row in enumerate(found.rows):
        own = taken[4 * number : 4 * number + 4]
        assert row.train_loss == pytest.approx(sum(loss for loss, _ in own) / 4, rel=1e-5)
        assert row.train_accuracy == pytest.approx(sum(hits for _, hits in own) / 4, rel=1e-5)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"weight": torch.full((3,), float(step))}, {"loss": 0.5})
    newest = tmp_path / "step-00000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")

    found = checkpoint.newest(tmp_path)

    assert found is not None
    assert (found.step, found.damaged) == (2, ("step-00000003",))
    assert found.tensors["weight"].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("position", range(0, 200, 7))
def test_a_flipped_bit_anywhere_in_a_checkpoint_is_noticed(tmp_path, position):
    checkpoint.save(tmp_path, 1, {"weight": torch.arange(40.0)}, {})
    path = tmp_path / "step-00000001.safetensors"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))

    assert checkpoint.newest(tmp_path) is None


def test_only_the_newest_two_checkpoints_are_kept(tmp_path):
    for step in range(5):
        checkpoint.save(tmp_path, step, {"weight": torch.zeros(1)}, {})

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-00000003.safetensors",
        "step-00000003.sha256",
        "step-00000004.safetensors",
        "step-00000004.sha256",
    ]


def candidate(name, f1, nll=1.0, value=0.0):
    judgement = ValidationScore(macro_f1=f1, accuracy=f1, nll=nll)
    return CandidateWeights(name=name, judgement=judgement, state={"weight": torch.tensor([value])})


def test_the_best_candidate_has_the_best_score_then_the_lowest_loss_then_came_first():
    entered = [candidate("a", 0.8), candidate("b", 0.9, 0.5), candidate("c", 0.9, 0.4), candidate("d", 0.9, 0.4)]

    selection = ModelSelection("macro-f1", entered)

    assert [each.name for each in selection.best] == ["c", "d", "b"]


def test_a_soup_takes_a_member_only_if_the_validation_set_agrees():
    selection = ModelSelection("macro-f1", [candidate("a", 0.9, value=0.0), candidate("b", 0.8, value=4.0)])
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.zeros(1))

    better = selection.soup(model, lambda mixed: ValidationScore(macro_f1=0.95, accuracy=1, nll=0.1))
    worse = selection.soup(model, lambda mixed: ValidationScore(macro_f1=0.85, accuracy=1, nll=0.1))

    assert better is not None
    assert (better.name, better.state["weight"].item()) == ("soup of a, b", 2.0)
    assert worse is None


def test_an_average_leaves_counters_alone():
    states = [{"weight": torch.tensor([value]), "steps": torch.tensor(7)} for value in (1.0, 3.0)]

    mixed = average(states)

    assert (mixed["weight"].item(), mixed["steps"].item()) == (2.0, 7)
