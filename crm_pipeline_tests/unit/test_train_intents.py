"""The command train-intents: judges, records in MLflow, keeps the labelled texts; wrong files write nothing."""

import json
from pathlib import Path

import pytest

from crm_pipeline import cli
from crm_pipeline.home.intents import LABELS, train_intents
from crm_pipeline.text.labels import UNKNOWN, parse
from crm_pipeline.tracking import Tracker
from crm_pipeline_tests.unit.test_text_intents import made

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow")


def labelled(path: Path, count: int, seed: int, outside: int = 0) -> Path:
    texts, intents = made(count, seed)
    strange, _ = made(outside, seed, {"weather": ["rain", "sunny", "forecast"]})
    rows = [*zip(texts, intents, strict=True), *((text, "oos") for text in strange)]
    path.write_text("message;label\n" + "".join(f"{text};{label}\n" for text, label in rows))
    return path


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(list(arguments))
    return int(left.value.code or 0)


def test_it_learns_judges_records_and_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, file = tmp_path / "home", labelled(tmp_path / "train.csv", 150, 1)
    test = labelled(tmp_path / "test.csv", 60, 2, outside=20)
    assert call("train-intents", str(file), "--test", str(test), "--home", str(home), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["intents"], said["unknown"]) == (150, 5, 0)
    figures = said["judgement"]["metrics"]
    assert said["judgement"]["outside"] == 20
    assert figures["accuracy"] > 0.95
    assert figures["outside_recall"] > 0.8
    assert {"macro_f1", "calibration_error", "answered", "accuracy_answered"} <= set(figures)
    tracker = Tracker(home)
    run = tracker.client.get_run(said["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["accuracy"] == pytest.approx(figures["accuracy"])
    assert run.data.params["judged_on"] == str(test)
    model = tracker.load(said["model_uri"])
    assert model.predict(["please tell me about my parcel courier today"])["intent"].tolist() == ["delivery"]
    kept = parse((home / LABELS).read_bytes(), "kept")
    assert (kept.texts, kept.intents) == (lambda f: (f.texts, f.intents))(parse(file.read_bytes(), "given"))

    assert call("train-intents", str(test), "--home", str(home)) == 0
    shown = capsys.readouterr().out
    assert "a fifth of" in shown
    assert "macro-F1" in shown
    assert "20 texts that are none of them" in shown
    assert UNKNOWN in parse((home / LABELS).read_bytes(), "kept").intents
    earlier = list((home / LABELS).parent.glob("intents.*.csv"))
    assert [parse(path.read_bytes(), "earlier").texts for path in earlier] == [kept.texts]


def test_same_labels_again_keep_no_second_copy_and_give_the_same_figures(tmp_path: Path) -> None:
    file = labelled(tmp_path / "train.csv", 60, 3)
    first, second = (train_intents(tmp_path / "home", file) for _ in range(2))
    assert second.earlier is None
    assert (first.judgement.metrics, first.measured) == (second.judgement.metrics, second.measured)


def test_personal_data_are_masked_before_they_are_learned_from_or_kept(tmp_path: Path) -> None:
    file = labelled(tmp_path / "train.csv", 60, 4)
    with file.open("a") as more:
        more.write("".join(f"where is my parcel {i}, write to jane.roe@example.com;delivery\n" for i in range(5)))
    done = train_intents(tmp_path / "home", file)
    assert "write to [email]" in done.stored.read_text()
    assert "jane" not in done.stored.read_text()
    assert not {"jane", "roe"} & set(Tracker(tmp_path / "home").load(done.model_uri).vectors.stems)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("text,label\na,b\n", "0 intents"),
        ("text,label\n" + "".join(f"t{i},a\n" for i in range(20)), "1 intent"),
        ("foo,bar\n", "--text-column"),
        ('text,label\n"open,b\n', "line 2"),
    ],
)
def test_a_wrong_file_is_one_sentence_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, says: str
) -> None:
    (tmp_path / "bad.csv").write_text(content)
    assert call("train-intents", str(tmp_path / "bad.csv"), "--home", str(tmp_path / "home")) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "home").exists()
