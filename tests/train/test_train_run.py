import csv
import hashlib
import importlib.util
import json
import re
import shutil
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from drawing import draw_labels
from PIL import Image

from imgkit.errors import IntegrityError, UsageError
from imgkit.models.evaluate import evaluate_folder
from imgkit.models.export import export_hub, export_onnx, export_torch
from imgkit.models.predict import as_csv, as_jsonl, find_files, predict
from imgkit.models.report.explorer import script, script_hash
from imgkit.train.config import TrainConfig
from imgkit.train.config_file import read_settings
from imgkit.train.data.preview import write_preview
from imgkit.train.run import train

HOSTILE = '<img src=x onerror=alert(1)>"&'


class Told:
    """A progress that remembers."""

    def __init__(self):
        self.lines, self.work = [], {}

    def start(self, title, total=None):
        self.work[title] = total

    def advance(self, steps=1, note=""):
        pass

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = draw_labels(tmp_path_factory.mktemp("set") / "pictures", per_label=24, labels=("coral", "king", HOSTILE))
    (root / "coral" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    return root


@pytest.fixture(scope="module")
def finished(pictures):
    """One run on drawn pictures, and what was told while it ran."""
    told = Told()
    config = TrainConfig(data=pictures, runs=pictures.parent / "runs", name="first", device="cpu", weights="packaged")
    return train(config, progress=told), told, config


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_plan_is_told_before_anything_is_learned(finished):
    _, told, _ = finished

    assert [line.split()[0] for line in told.lines[:6]] == ["data", "split", "model", "sanity", "time", "tune"]
    assert "3 labels · 72 pictures (label folders) · 1 left out" in told.lines[0]
    assert "chance loss 1.099" in told.lines[3]


def test_every_file_of_the_run_is_there(finished):
    report, _, _ = finished

    assert sorted(path.name for path in report.run.iterdir()) == [
        "classes.json",
        "config.json",
        "confusion.csv",
        "data.json",
        "env.json",
        "label_issues.csv",
        "log.jsonl",
        "model",
        "per_label.csv",
        "predictions.csv",
        "quarantine.csv",
        "recipe.json",
        "report.html",
        "report.json",
        "run.yaml",
        "split.csv",
    ]
    assert sorted(path.name for path in report.model.iterdir()) == [
        "config.json",
        "familiar.safetensors",
        "model.safetensors",
        "trained-on.txt",
    ]


def test_each_picture_is_in_one_split_and_each_broken_file_in_the_quarantine(finished):
    report, _, _ = finished

    splits = rows_of(report.run / "split.csv")
    broken = rows_of(report.run / "quarantine.csv")

    assert len({row["file_name"] for row in splits}) == len(splits) == 72
    assert [(row["file_name"], row["reason"]) for row in broken] == [("coral/broken.jpg", "img.truncated")]


def test_the_numbers_of_the_report_are_a_recount_of_the_predictions(finished):
    report, _, _ = finished

    tested = [row for row in rows_of(report.run / "predictions.csv") if row["judged_by"] == "test"]
    stored = json.loads((report.run / "report.json").read_text())

    assert report.test.count == len(tested) == sum(row["split"] == "test" for row in rows_of(report.run / "split.csv"))
    assert report.test.accuracy.value == pytest.approx(sum(row["right"] == "yes" for row in tested) / len(tested))
    assert stored["test"]["accuracy"]["value"] == report.test.accuracy.value
    assert stored["verdict"] == report.verdict()


def test_colours_as_plain_as_these_are_learned(finished):
    report, _, _ = finished

    assert report.probe.accuracy.value > 0.9
    assert report.test.accuracy.low < report.test.accuracy.value <= report.test.accuracy.high


def test_the_model_folder_gives_timm_the_label_names_and_the_same_answers_to_any_picture(finished, pictures, tmp_path):
    report, _, _ = finished
    import timm

    model = timm.create_model(f"local-dir:{report.model}", pretrained=True).eval()
    assert model.pretrained_cfg["label_names"] == ['<img src=x onerror=alert(1)>"&', "coral", "king"]
    transform = timm.data.create_transform(**timm.data.resolve_data_config(model.pretrained_cfg))
    paths = []
    for size in ((500, 375), (333, 500), (1600, 900), (90, 120)):
        paths.append(tmp_path / f"{size[0]}.jpg")
        with Image.open(pictures / "king" / "000.png") as picture:
            picture.convert("RGB").resize(size).save(paths[-1], quality=85)

    for path, ours in zip(paths, predict(report.model, paths, top=3, device="cpu"), strict=True):
        with torch.inference_mode(), Image.open(path) as picture:
            theirs = model(transform(picture.convert("RGB"))[None]).softmax(dim=1)[0]
        for guess in ours.guesses:
            place = model.pretrained_cfg["label_names"].index(guess.label)
            assert float(theirs[place]) == pytest.approx(guess.probability, abs=1e-4)


def test_a_prediction_says_what_the_test_said(finished, pictures):
    report, _, _ = finished
    tested = {row["file_name"]: row for row in rows_of(report.run / "predictions.csv") if row["judged_by"] == "test"}

    found = predict(report.run, [pictures / name for name in tested], device="cpu")

    for prediction in found:
        row = tested[prediction.path.relative_to(pictures).as_posix()]
        assert prediction.guesses[0].label == row["label_1"]
        assert prediction.guesses[0].probability == pytest.approx(float(row["probability_1"]), abs=1e-4)


def test_the_page_escapes_hostile_names_and_asks_nothing_of_the_network(finished):
    report, _, _ = finished

    page = (report.run / "report.html").read_text()

    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", page)
    data, code = re.findall(r"<script.*?</script>", page, re.DOTALL)  # no third
    assert data.startswith('<script type="application/json" id="tested">')
    assert "<" not in data.removeprefix("<script").removesuffix("</script>")
    assert code == f"<script>{script()}</script>"
    assert f"script-src '{script_hash()}'" in page
    assert 'http-equiv="Content-Security-Policy"' in page


def test_a_second_run_looks_at_no_picture_twice_and_says_the_same(finished):
    report, _, config = finished
    told = Told()

    again = train(replace(config, name="second"), progress=told)

    assert told.work["embedding"] == 0
    assert "time    every picture is embedded already" in told.lines
    assert again.test == report.test
    assert again.data_digest == report.data_digest


def test_a_run_never_overwrites_another(finished):
    _, _, config = finished

    with pytest.raises(UsageError, match="there is already a run in"):
        train(config)


def test_a_finished_run_cannot_be_resumed(finished):
    _, _, config = finished

    with pytest.raises(UsageError, match=r"first is finished, its report is report\.html"):
        train(replace(config, resume=True))


def test_fine_tuning_never_gives_worse_weights_than_the_probe_and_cleans_up(finished):
    _, _, config = finished

    report = train(replace(config, name="tuned", finetune=True, steps=2, batch=4, size=48, lr_find=True))

    assert report.tuning is not None
    assert report.tuning.winner.macro_f1 >= report.tuning.probe.macro_f1
    assert report.plan.machine.learns.endswith("(100%)")
    assert report.plan.recipe is not None
    assert report.plan.recipe.lr == json.loads((report.run / "recipe.json").read_text())["lr"]
    rates = [float(row["learning_rate"]) for row in rows_of(report.run / "lr_find.csv")]
    assert rates  # how many there are is for the losses to decide
    assert rates == sorted(set(rates))
    assert not list((report.run / "checkpoints").glob("*"))
    assert json.loads((report.run / "log.jsonl").read_text().splitlines()[1])["event"] == "epoch"


def test_the_settings_that_a_run_leaves_behind_train_the_same_model_again(finished, pictures):
    _, _, config = finished
    changes = {"finetune": True, "steps": 2, "batch": 4, "progressive": (32, 48), "recipe": "long"}

    first = train(replace(config, name="found", **changes))
    settings = read_settings(first.run / "run.yaml")
    again = train(TrainConfig(**settings, name="found-again"))

    assert (settings["progressive"], settings["size"], settings["recipe"]) == ((32, 48), 48, "long")
    assert again.test == first.test
    assert (again.model / "model.safetensors").read_bytes() == (first.model / "model.safetensors").read_bytes()
    assert json.loads((first.model / "config.json").read_text())["pretrained_cfg"]["input_size"] == [3, 48, 48]
    assert predict(first.run, [pictures / "king" / "000.png"], device="cpu")[0].guesses


def test_a_model_whose_weights_were_changed_is_refused(finished, tmp_path):
    report, _, _ = finished
    copy = shutil.copytree(report.model, tmp_path / "model")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")

    with pytest.raises(IntegrityError, match="do not belong together"):
        predict(copy, [], device="cpu")


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is no model folder"):
        predict(tmp_path, [], device="cpu")


def test_what_is_no_picture_is_a_row_with_its_reason(finished, pictures):
    report, _, _ = finished

    good, bad = predict(report.model, [pictures / "king" / "001.png", pictures / "coral" / "broken.jpg"], device="cpu")

    assert (good.guesses[0].label, good.reason) == ("king", "")
    assert (bad.guesses, bad.reason) == ((), "img.truncated")
    table = as_csv([good, bad]).splitlines()
    assert table[0].startswith("path,unknown,label_1,probability_1,label_2")
    assert len(table) == 3
    assert [json.loads(line).get("reason") for line in as_jsonl([good, bad]).splitlines()] == [None, "img.truncated"]


def test_files_folders_and_patterns_name_each_picture_once(pictures):
    king = pictures / "king"

    found = find_files([king / "000.png", king, pictures / "k*" / "00*.png"])

    assert len(found) == 24
    with pytest.raises(UsageError, match="there is no"):
        find_files([king / "nothing*.png"])


def test_an_address_is_predicted_like_the_file_behind_it_and_a_dead_one_is_a_row(finished, pictures, tmp_path):
    report, _, _ = finished
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=pictures))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    web = f"http://127.0.0.1:{server.server_address[1]}"

    found = predict(
        report.model,
        [f"{web}/king/001.png", pictures / "king" / "001.png", f"{web}/nothing.png"],
        device="cpu",
        downloads=tmp_path,
    )
    server.shutdown()
    server.server_close()

    by_name = {each.name: each for each in found}
    assert by_name[f"{web}/king/001.png"].guesses == by_name[str(pictures / "king" / "001.png")].guesses
    assert by_name[f"{web}/nothing.png"].reason == "http.404"
    assert [path.name for path in tmp_path.rglob("*.png")] == ["001.png"]


def test_labels_that_are_doubted_carry_a_suggestion(pictures, tmp_path):
    swapped = shutil.copytree(pictures, tmp_path / "swapped")
    shutil.move(swapped / "king" / "003.png", swapped / "coral" / "wrong.png")
    config = TrainConfig(
        data=swapped, runs=tmp_path / "runs", name="run", device="cpu", cache=pictures.parent / "runs" / "cache"
    )

    report = train(config)

    doubts = rows_of(tmp_path / "runs" / "run" / "label_issues.csv")
    assert list(doubts[0]) == [
        *("file_name", "label", "suggestion", "kind", "probability_wrong", "probability_of_label"),
        *("probability_of_suggestion", "split", "sha256"),
    ]
    assert [(row["file_name"], row["label"], row["suggestion"], row["kind"]) for row in doubts] == [
        ("coral/wrong.png", "coral", "king", "doubted")
    ]
    assert float(doubts[0]["probability_wrong"]) > 0.9
    assert report.label_issues == 1
    assert report.wrong_labels.startswith(f"about 1 of {report.probe.count} (95 % interval 0 to ")
    assert f"labels are doubted; wrong are {report.wrong_labels}" in (report.run / "report.html").read_text()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"validation_share": 0.0}, "between 0 and 1"),
        ({"validation_share": 0.5, "test_share": 0.5}, "more than 80 %"),
        ({"name": "../elsewhere"}, "is no name for a folder"),
        ({"backbone": "resnet9000"}, "timm has no model 'resnet9000'"),
        ({"device": "cuda:77"}, "cannot be used here"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_in_one_sentence(pictures, tmp_path, changes, sentence):
    config = TrainConfig(data=pictures, runs=tmp_path / "runs", cache=pictures.parent / "runs" / "cache")

    with pytest.raises(UsageError, match=sentence):
        train(replace(config, **changes))

    assert not list((tmp_path / "runs").glob("*/config.json"))


def test_evaluate_leaves_out_what_the_model_has_learned_from_and_agrees_with_the_test(finished, pictures, tmp_path):
    report, _, _ = finished

    found = evaluate_folder(report.run, pictures, cache=tmp_path, device="cpu")

    assert found.scores == report.test
    assert found.trained_on == report.plan.count("train") + report.plan.count("val")
    assert found.left_out == 1


def test_evaluate_matches_labels_by_name_when_one_is_missing(finished, tmp_path):
    report, _, _ = finished
    other = draw_labels(tmp_path / "other", per_label=30, labels=("king",))
    for number in range(24):
        (other / "king" / f"{number:03}.png").unlink()

    found = evaluate_folder(report.model, other, cache=tmp_path / "cache", device="cpu")

    assert found.scores.count == 6
    assert found.scores.accuracy.value == 1.0
    assert found.absent == (HOSTILE, "coral")


def test_evaluate_refuses_a_label_that_the_model_does_not_know(finished, tmp_path):
    report, _, _ = finished
    other = draw_labels(tmp_path / "other", per_label=2, labels=("king", "milk"))

    with pytest.raises(UsageError, match="does not know the label milk"):
        evaluate_folder(report.model, other, cache=tmp_path / "cache", device="cpu")


def test_evaluate_refuses_to_score_a_model_on_its_own_training_pictures(finished, pictures, tmp_path):
    report, _, _ = finished
    learned = [row for row in rows_of(report.run / "split.csv") if row["split"] == "train"][:5]
    for row in learned:
        target = tmp_path / "learned" / row["label"] / row["file_name"].rsplit("/", 1)[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures / row["file_name"], target)

    with pytest.raises(UsageError, match="has learned from all 5 of them"):
        evaluate_folder(report.model, tmp_path / "learned", cache=tmp_path / "cache", device="cpu")


def test_a_torch_program_answers_as_the_model_does(finished, tmp_path):
    report, _, _ = finished

    written = export_torch(report.run, tmp_path / "model.pt2")

    assert written.difference is not None
    assert written.difference <= 1e-4
    program = torch.export.load(tmp_path / "model.pt2").module()
    assert program(torch.rand(5, 3, 224, 224)).sum(dim=1).tolist() == pytest.approx([1.0] * 5, abs=1e-5)


def test_an_onnx_file_needs_its_extra_or_answers_as_the_model_does(finished, tmp_path):
    report, _, _ = finished
    if all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
        written = export_onnx(report.run, tmp_path / "model.onnx")
        assert written.difference is not None
        assert written.difference <= 1e-4
    else:
        with pytest.raises(UsageError, match=r"imgkit-datasets\[export\]"):
            export_onnx(report.run, tmp_path / "model.onnx")


def test_a_hub_folder_is_a_model_folder_with_a_card(finished, pictures, tmp_path):
    report, _, _ = finished

    export_hub(report.run, tmp_path / "hub")

    assert predict(tmp_path / "hub", [pictures / "king" / "000.png"], device="cpu")[0].guesses[0].label == "king"
    card = (tmp_path / "hub" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: timm\n")
    assert report.verdict() in card
    with pytest.raises(UsageError, match="is not empty"):
        export_hub(report.run, tmp_path / "hub")


def test_a_hub_folder_holds_a_fixed_list_of_files_and_no_target_of_a_link(finished, tmp_path):
    report, _, _ = finished
    (tmp_path / "secret").write_text("PRIVATE KEY")
    model = tmp_path / "run" / "model"
    shutil.copytree(report.model, model)
    (model / "notes.txt").symlink_to(tmp_path / "secret")
    (model / "more").mkdir()
    (tmp_path / "run" / "report.json").symlink_to(tmp_path / "secret")

    export_hub(tmp_path / "run", tmp_path / "hub")
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    (model / "trained-on.txt").rename(tmp_path / "trained-on.txt")
    (model / "trained-on.txt").symlink_to(tmp_path / "trained-on.txt")

    assert names == {"README.md", "config.json", "familiar.safetensors", "model.safetensors", "trained-on.txt"}
    with pytest.raises(UsageError, match=r"trained-on\.txt cannot be copied: .*link"):
        export_hub(tmp_path / "run", tmp_path / "other")


def test_links_in_a_folder_are_rows_with_a_reason_and_are_not_followed(finished, pictures, tmp_path):
    report, _, _ = finished
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(pictures / "king" / "000.png", folder / "a.png")
    (folder / "b.png").symlink_to(pictures / "king" / "001.png")
    (folder / "all").symlink_to(pictures)
    (folder / ".hidden.png").write_bytes(b"")

    found = predict(report.run, [folder], device="cpu")

    assert [(each.path.name, each.reason) for each in found] == [
        ("a.png", ""),
        ("all", "fs.link"),
        ("b.png", "fs.link"),
    ]


def test_a_preview_shows_each_label_without_training_anything(pictures, tmp_path):
    config = TrainConfig(data=pictures, runs=tmp_path / "runs", cache=pictures.parent / "runs" / "cache")

    shown = write_preview(config, tmp_path / "preview.jpg")

    assert shown == 8
    with Image.open(tmp_path / "preview.jpg") as sheet:
        assert sheet.format == "JPEG"
    assert not (tmp_path / "runs").exists()


def changed_config(model, target, change):
    """A copy of a model folder whose config.json went through ``change``."""
    shutil.copytree(model, target)
    config = json.loads((target / "config.json").read_text("utf-8"))
    change(config)
    (target / "config.json").write_text(json.dumps(config))
    return target


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["pretrained_cfg"].update(url="https://example.org/evil.pth"),
        lambda config: config["pretrained_cfg"].update(file="/etc/passwd"),
        lambda config: config["pretrained_cfg"].update(hf_hub_id="somebody/else"),
        lambda config: config["pretrained_cfg"].update(custom_load=True),
        lambda config: config.update(architecture="../../evil"),
        lambda config: config.update(architecture=["resnet18"]),
        lambda config: config.update(model_args={"checkpoint_path": "/tmp/evil.pth"}),
        lambda config: config.update(model_args={"img_size": [10**6, 10**6]}),
        lambda config: config.update(model_args={"img_size": {"a": 1}}),
        lambda config: config.update(model_args=5),
        lambda config: config.update(pretrained_cfg=[]),
        lambda config: config.update(label_names=[1, 2, 3]),
        lambda config: config.update(label_names=["a", "a", "b"]),
        lambda config: config["imgkit"].update(sha256={}),
        lambda config: config["imgkit"].update(sha256={"../../secret": "0" * 64}),
        lambda config: config["imgkit"].update(unknown_below=float("nan")),
        lambda config: config.update(num_classes=10**9),
        lambda config: config.pop("num_classes"),
    ],
)
def test_a_model_folder_of_a_stranger_loads_nothing_but_its_own_weights_and_ends_in_one_sentence(
    finished, pictures, tmp_path, change
):
    report, _, _ = finished
    model = changed_config(report.model, tmp_path / "model", change)

    with pytest.raises((UsageError, IntegrityError)):
        predict(model, [pictures / "king" / "000.png"], device="cpu")


def test_a_model_whose_weights_are_no_weights_ends_in_one_sentence(finished, pictures, tmp_path):
    report, _, _ = finished
    model = shutil.copytree(report.model, tmp_path / "model")
    (model / "model.safetensors").write_bytes(b"\xff" * 100)
    config = json.loads((model / "config.json").read_text("utf-8"))
    config["imgkit"]["sha256"]["model.safetensors"] = hashlib.sha256(b"\xff" * 100).hexdigest()
    (model / "config.json").write_text(json.dumps(config))

    with pytest.raises(UsageError, match="does not fit the network"):
        predict(model, [pictures / "king" / "000.png"], device="cpu")
