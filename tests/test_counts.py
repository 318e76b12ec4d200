"""Every place that prints how many pictures there are prints the same number, over the life of a data folder."""

import importlib.resources
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import write_decided
from imgkit.curate.review.messages import DecisionChange, Posted
from imgkit.curate.review.service import ReviewService
from imgkit.curate.verdicts import in_set
from imgkit.manifest import Manifest

SCRIPTS = Path(__file__).parent / "review" / "scripts"


def imgkit(*arguments):
    done = CliRunner().invoke(build(), [str(one) for one in arguments])
    assert done.exit_code in (0, 3), done.output
    return done.stdout


def photo(seed, *, width=320, height=240):
    """A colourful picture with structure at all scales; another seed, another picture."""
    chance = np.random.default_rng(seed)
    layers = np.full((height, width, 3), 128, np.float32)
    for cells, weight in ((3, 90), (6, 60), (12, 40), (24, 25), (60, 16)):
        for channel in range(3):
            noise = Image.fromarray(chance.uniform(-1, 1, (cells, cells)).astype(np.float32))
            layers[..., channel] += weight * np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(layers, 0, 255).astype(np.uint8))


class Life:
    """A data folder that is filled from folders of this machine, with everything that says how much is in it."""

    def __init__(self, root):
        self.root, self.data, self.source = root, root / "data", root / "source"
        self.labels = []
        self.scripts = root / "scripts"
        self.steps = 0

    def save(self, label, name, image):
        (self.source / label).mkdir(parents=True, exist_ok=True)
        image.save(self.source / label / f"{name}.png")

    def harvest(self, *labels):
        queries = self.root / f"{'_'.join(labels)}.csv"
        lines = [f"{label},{self.source / label},folder" for label in labels]
        queries.write_text("label,query,providers\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
        told = imgkit("harvest", queries, "--data", self.data)
        asked = json.loads(imgkit("harvest", queries, "--data", self.data, "--json"))
        there = len(list((self.data / "harvested").glob("*/*.jpg")))
        said = re.findall(r"([\d,]+) pictures are in ", " ".join(told.split()))
        assert said == [str(there)]
        assert sum(asked["in_folder"].values()) == there == sum(one["harvested"] for one in self.status()["labels"])

    def curate(self):
        return json.loads(imgkit("curate", "--data", self.data, "--weights", "none", "--json"))

    def status(self):
        return json.loads(imgkit("status", "--data", self.data, "--json"))

    def decide(self, action, *places, reason="", to=-1):
        """Decide on the page about some places like "coral/<id>"."""
        self.steps += 1
        with Manifest.open(self.data) as manifest:
            service = ReviewService(manifest, reviewer="ada", in_set=in_set("suggest"))
            items = [f"{service.listing.labels.index(label)}.{name}" for label, name in (p.split("/") for p in places)]
            change = DecisionChange(action=action, reason=reason, to=to, items=tuple(items))
            service.take([self._posted("decide", items[0], changes=(change,))])

    def undo(self):
        self.steps += 1
        with Manifest.open(self.data) as manifest:
            service = ReviewService(manifest, reviewer="ada", in_set=in_set("suggest"))
            *_, last = service.state()["done"]
            service.take([self._posted("undo", "", undoes=last[0])])

    def _posted(self, kind, at, changes=(), undoes=""):
        return Posted(
            key=f"lifelife.{self.steps}", kind=kind, mode="suspects", at=at, dwell_ms=400, changes=changes,
            undoes=undoes, audit=None, answer="",
        )  # fmt: skip

    def finish(self):
        """Write the set as the page does."""
        return write_decided(CurateConfig(data=self.data, weights="none")).as_json()

    def page(self):
        """The numbers that the page shows, by its own scripts."""
        node = shutil.which("node")
        if node is None:
            pytest.skip("no node on this machine; install Node.js 20 or newer to test the page's scripts")
        if not self.scripts.exists():
            self.scripts.mkdir()
            (self.scripts / "package.json").write_text('{"type": "module"}')
            for file in (importlib.resources.files("imgkit.curate.review") / "static").iterdir():
                (self.scripts / file.name).write_bytes(file.read_bytes())
            shutil.copy(SCRIPTS / "counts.mjs", self.scripts)
        with Manifest.open(self.data) as manifest:
            service = ReviewService(manifest, reviewer="ada", in_set=in_set("suggest"))
            state = {**service.state(), "project": "life", "title": "data", "keys": {}, "write_key": ""}
            told = {"columns": json.loads(service.listing.columns), "state": state}
        done = subprocess.run(
            [node, "counts.mjs"],
            cwd=self.scripts,
            input=json.dumps(told),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    def files(self):
        """Pictures in the curated folder by label."""
        found = {}
        for path in (self.data / "curated").glob("*/*.jpg"):
            found[path.parent.name] = found.get(path.parent.name, 0) + 1
        return found

    def check_written(self, report):
        """All places agree on the set that was just written."""
        files, status = self.files(), self.status()
        page, stored = self.page(), json.loads((self.data / "curated" / "report.json").read_text(encoding="utf-8"))
        html = (self.data / "curated" / "report.html").read_text(encoding="utf-8")
        card = (self.data / "curated" / "DATACARD.md").read_text(encoding="utf-8")
        total = sum(files.values())
        assert {one["label"]: one["written"] for one in status["labels"] if one["written"]} == files
        assert {one["label"]: one["in_set"] for one in report["labels"] if one["in_set"]} == files
        assert stored["totals"] == report["totals"]
        assert len((self.data / "curated" / "metadata.csv").read_text(encoding="utf-8").splitlines()) == total + 1
        assert f"<b>{total:,}</b><span>pictures of" in html
        assert f"<b>{len(report['suspects']):,}</b><span>suspects nobody has looked at" in html
        assert f"{total:,} pictures" in card
        table = imgkit("curate", "--data", self.data, "--weights", "none", "--dry-run")
        row = next(line.split() for line in table.splitlines() if line.startswith("all "))
        assert (int(row[1]), int(row[-1])) == (report["totals"]["harvested"], total)
        self.check_now()
        assert page["total"]["kept"] == report["totals"]["in_set"] == total
        for name, shown in (("harvested", "all"), ("suspects", "waiting"), ("left_out", "out"), ("decided", "decided")):
            assert report["totals"][name] == page["total"][shown], name
        assert len(report["suspects"]) == report["totals"]["suspects"] == page["tabs"]["suspects"]
        assert {code: one["person"] + one["machine"] for code, one in page["reasons"].items()} == {
            code: sum(row["left_out"].get(code, 0) for row in report["labels"])
            for code in {code for row in report["labels"] for code in row["left_out"]}
        }

    def check_now(self):
        """Status, its table and the page agree on what the set would be now."""
        status, page = self.status(), self.page()
        labels = status["labels"]
        sums = {
            "harvested": "all", "curated": "kept", "suspects": "waiting", "set_aside": "out", "moved_out": "moved",
            "moved_in": "in",
        }  # fmt: skip
        for name, shown in sums.items():
            assert sum(one[name] for one in labels) == page["total"][shown], name
        assert page["tabs"]["suspects"] == page["total"]["waiting"]
        assert page["tabs"]["trash"] == page["total"]["out"] == sum(one["set_aside"] for one in labels)
        assert status["decisions"] == page["total"]["decided"]
        with Manifest.open(self.data) as manifest:
            assert (
                ReviewService(manifest, reviewer="ada", in_set=in_set("suggest")).in_set_count()
                == page["total"]["kept"]
            )
        text = imgkit("status", "--data", self.data)
        row = next(line.split() for line in text.splitlines() if line.startswith("all "))
        assert [int(cell) for cell in row[1:]] == [
            sum(one[name] for one in labels)
            for name in (
                "harvested",
                "suspects",
                "set_aside",
                "moved_out",
                "moved_in",
                "unjudged",
                "curated",
                "written",
            )
        ]


def test_every_count_agrees_over_the_life_of_a_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    life = Life(tmp_path)
    for n in range(8):
        life.save("coral", f"{n}", photo(n))
        life.save("king", f"{n}", photo(100 + n))
    life.save("coral", "mirrored", ImageOps.mirror(photo(0)))
    life.save("coral", "smaller", photo(0).resize((200, 150)))
    life.save("coral", "blurred", photo(50).resize((12, 9)).resize((320, 240)))
    life.save("coral", "both", photo(60))
    life.save("king", "both", photo(60))
    life.harvest("coral", "king")
    report = life.curate()
    assert report["totals"]["in_set"] == 16
    life.check_written(report)

    with Manifest.open(life.data) as manifest:
        copies = [key for key, one in manifest.judgements().items() if one.copies]
        best = next(f"{key[0]}/{key[1]}" for key in copies if manifest.judgements()[key].placed)
        others = [f"{label}/{name}" for label, name in manifest.judgements() if (label, name) not in copies]
    life.decide("reject", best, reason="bad.offtopic")
    life.check_now()
    life.decide("relabel", others[0], to=1)
    life.decide("reject", *others[2:4], reason="bad.quality")
    life.undo()
    life.check_now()
    report = life.finish()
    assert report["totals"]["in_set"] == 15
    life.check_written(report)
    life.check_written(life.curate())

    better = photo(0, width=640, height=480)
    life.save("coral", "larger", better)
    life.save("milk", "new", photo(300))
    life.harvest("coral", "milk")
    report = life.curate()
    assert report["totals"]["in_set"] == 16
    life.check_written(report)

    gone = next((life.data / "curated").glob("king/*.jpg"))
    imgkit("remove", "--data", life.data, "--sha", gone.stem)
    life.check_now()
    life.check_written(life.curate())

    next((life.data / "curated").glob("king/*.jpg")).unlink()
    life.check_written(life.curate())
