"""Training is seen while it happens: one line an epoch, a page that is renewed, and the curve of the rates tried."""

import json
from dataclasses import replace

import safetensors.torch
import torch
from drawing import draw_labels

from imgkit.progress import Silent
from imgkit.train import model_candidates
from imgkit.train.config import TrainConfig
from imgkit.train.finetune.history import EpochRow, is_best
from imgkit.train.finetune.validator import ValidationScore
from imgkit.train.report.curves import curves
from imgkit.train.run import train


def score(macro_f1, nll=0.5):
    return ValidationScore(macro_f1=macro_f1, accuracy=macro_f1, nll=nll)


def row(epoch, macro_f1, average=0.0):
    return EpochRow(
        epoch=epoch,
        step=10 * epoch,
        lr=9.2e-5,
        train_loss=0.8123,
        train_accuracy=0.781,
        validation=score(macro_f1),
        average=score(average, 0.7),
        seconds=1.0,
        images_per_second=41.4,
        gradient_norm=1.5,
    )


def test_an_epoch_is_one_line_with_losses_scores_rate_and_speed():
    assert row(3, 0.841).line(12, best=True) == (
        "epoch    3/12 · train loss 0.812, 78.1 % right · val loss 0.500, 84.1 % right, macro-F1 84.1 · rate 9.2e-05 "
        "· 41 pictures/s · best"
    )
    assert row(3, 0.841).line(12, best=False).endswith("41 pictures/s")


def test_the_best_epoch_beats_the_probe_and_all_before_it():
    rows = [row(1, 0.5), row(2, 0.4, average=0.7), row(3, 0.6), row(4, 0.71)]

    assert [is_best(rows[:end], score(0.55), "macro-f1") for end in range(1, 5)] == [False, True, False, True]
    assert not is_best(rows[:1], score(0.5), "macro-f1")  # a tie is no better


def test_the_curve_of_the_rates_is_drawn_with_the_chosen_one(tmp_path):
    (tmp_path / "lr_find.csv").write_text("learning_rate,loss\n1e-5,1.0\n1e-4,0.5\n1e-3,2.0\n")
    (tmp_path / "recipe.json").write_text(json.dumps({"lr": 1e-5}))

    drawn = dict(curves([row(1, 0.5)], score(0.4), tmp_path))

    assert list(drawn) == ["Macro-F1 on val", "Loss", "Learning rate", "Search for the rate"]
    assert "chosen: 1e-05" in drawn["Search for the rate"]
    (tmp_path / "lr_find.csv").write_text("damaged")
    assert len(curves([row(1, 0.5)], score(0.4), tmp_path)) == 3
    assert curves([], score(0.4), tmp_path) == []


def test_the_page_of_a_run_is_renewed_after_each_epoch_and_the_report_takes_its_place(tmp_path, monkeypatch):
    import timm

    torch.manual_seed(0)
    safetensors.torch.save_file(timm.create_model("test_efficientnet").state_dict(), tmp_path / "tiny.safetensors")
    data = draw_labels(tmp_path / "pictures", per_label=10, labels=("coral", "king"))
    config = TrainConfig(
        data=data,
        runs=tmp_path / "runs",
        name="seen",
        device="cpu",
        backbone="test_efficientnet",
        weights=str(tmp_path / "tiny.safetensors"),
        size=32,
    )
    pages, lines = [], []
    write = model_candidates.write_progress

    def seen(*given, **named):
        write(*given, **named)
        pages.append((tmp_path / "runs" / "seen" / "report.html").read_text("utf-8"))

    class Told(Silent):
        def say(self, line):
            lines.append(line)

    monkeypatch.setattr(model_candidates, "write_progress", seen)

    train(replace(config, finetune=True, epochs=2, batch=4), progress=Told())

    assert [f"epoch {number} of 2" in page for number, page in enumerate(pages, start=1)] == [True, True]
    assert all('http-equiv="refresh"' in page and "--resume" in page and "<script" not in page for page in pages)
    assert [line[:11] for line in lines if line.startswith("epoch")] == ["epoch   1/2", "epoch   2/2"]
    assert 'http-equiv="refresh"' not in (tmp_path / "runs" / "seen" / "report.html").read_text("utf-8")
