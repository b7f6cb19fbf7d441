from pathlib import Path

import pytest

from crm_pipeline.errors import UsageError
from crm_pipeline.modeling import estimators, tasks
from crm_pipeline.settings import BLOCKS_TO_CHOOSE, Settings, load_settings


def test_defaults_follow_the_grain(tmp_path):
    assert load_settings(tmp_path).horizon == 3
    (tmp_path / "crm.yaml").write_text("grain: week\n")
    weekly = load_settings(tmp_path)
    assert (weekly.horizon, weekly.windows, weekly.eligibility) == (13, (4, 13, 26, 52), 52)


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "crm.yaml").write_text("horizon: 2\nseed: 5\n")
    monkeypatch.setenv("CRM_HORIZON", "4")
    settings = load_settings(tmp_path)
    assert (settings.horizon, settings.seed) == (4, 5)


def test_estimators_can_be_switched_off(tmp_path):
    (tmp_path / "crm.yaml").write_text("churn_estimators: [logistic, purchase_process]\n")
    assert estimators.chosen(load_settings(tmp_path), "churn") == ["purchase_process", "logistic"]
    (tmp_path / "crm.yaml").write_text("estimators:\n  churn: [logistic]\n")
    assert estimators.chosen(load_settings(tmp_path), "churn") == ["logistic"]
    assert len(estimators.chosen(load_settings(tmp_path), "demand")) > 1


def test_the_environment_wins_over_the_file_for_estimators_too(tmp_path, monkeypatch):
    (tmp_path / "crm.yaml").write_text("churn_estimators: [random_forest]\n")
    monkeypatch.setenv("CRM_CHURN_ESTIMATORS", '["logistic"]')
    assert estimators.chosen(load_settings(tmp_path), "churn") == ["logistic"]
    monkeypatch.delenv("CRM_CHURN_ESTIMATORS")
    (tmp_path / "crm.yaml").unlink()
    monkeypatch.setenv("CRM_ESTIMATORS", '{"churn": ["purchase_process"]}')
    assert estimators.chosen(load_settings(tmp_path), "churn") == ["purchase_process"]
    assert tasks.chosen(load_settings(tmp_path)) == ["churn", "demand"]


def everything_chosen(home: Path) -> None:
    """What a run looks at before it plans."""
    settings = load_settings(home)
    for task in tasks.chosen(settings):
        estimators.chosen(settings, task)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("horizn: 3\n", "'horizn' is no setting; known are"),
        ("horizon: -1\n", "horizon"),
        ("grain: day\n", "grain"),
        ("tasks: [churn, uplift]\n", "name the task 'uplift'; known are churn, demand"),
        ("churn_estimators: [magic]\n", "'churn_estimators' names 'magic', known are"),
        ("chrn_estimators: [logistic]\n", "name the task 'chrn'"),
        ("estimators: [logistic]\nchurn_estimators: [logistic]\n", "estimators"),
        ("memory_limit: lots\n", "is 'lots': give a size such as 4GB, 500MB or 7.5GiB."),
        ("lake_cache: 80%\n", "is '80%': give a size such as 4GB"),
        ("memory_limit: 99999999999GB\n", "is '99999999999GB': no machine has so much"),
        ("windows: [1, 1000000]\n", "'windows.1' (in"),
        ("memory_limit: 4\n", "is 4: give a size such as 4GB"),
        ("lake: s3://x\n", "is 's3://x': give an address such as s3://bucket/folder"),
        ("spark_master: localhost\n", "is 'localhost': give local[4], yarn, spark://host:7077"),
        ("spark_master: local[0]\n", "is 'local[0]': give local[4]"),
        ("seed: -1\n", "is -1: Input should be greater than or equal to 0"),
        ("windows: [0]\n", "is 0: Input should be greater than or equal to 1"),
        ("windows: [3, 3]\n", "is [3, 3]: give each window once"),
        ("money_unit: 0.0003\n", "is 0.0003: 1 is no whole number of such units: give one such as 0.01 or 0.05"),
        ("money_unit: 1e-30\n", "Input should be greater than or equal to 0.000001"),
        ("2: 3\n", "2 is no name of a setting; known are alert_email"),
        ("null: 3\n", "None is no name of a setting; known are alert_email"),
        ("memory_limit: 0GB\n", "memory_limit is 0GB: each of concurrent_runs (1) needs 100MB"),
        ("memory_limit: 300MB\nconcurrent_runs: 4\n", "each of concurrent_runs (4) needs 100MB"),
        ("lake_options: {endpoint_url: 'localhost:9000'}\n", "or CRM_LAKE_OPTIONS) is"),
        ("lake_options: {endpoint_url: 'localhost:9000'}\n", "endpoint_url begins with http:// or https://"),
        ("spark_options: {spark.executor.cores: [1]}\n", "or CRM_SPARK_OPTIONS) is"),
        ("contact_cost: 2\n", "(or CRM_* variables): contact_cost and saved_value say something together only"),
        ("contact_cost: 2\nsaved_value: 2\n", "contact_cost 2 is not below saved_value 2: no contact would pay"),
        ("- a list\n", "must hold 'name: value' lines"),
        ("a: [\n", "line 2 is not valid YAML"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path, text, words):
    (tmp_path / "crm.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        everything_chosen(tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file_of_settings(tmp_path):
    (tmp_path / "crm.yaml").mkdir()
    with pytest.raises(UsageError, match=r"crm.yaml cannot be read \(Is a directory\): mend it or remove it"):
        load_settings(tmp_path)


def test_sizes_and_options_are_read_as_they_are_meant(tmp_path, monkeypatch):
    (tmp_path / "crm.yaml").write_text(
        "memory_limit: 4GiB\nspark_options: {spark.sql.shuffle.partitions: 8, spark.eventLog.enabled: false}\n"
    )
    found = load_settings(tmp_path)
    assert found.memory_bytes == 4 * 2**30
    assert found.spark_options == {"spark.sql.shuffle.partitions": "8", "spark.eventLog.enabled": "false"}
    monkeypatch.setenv("CRM_CHURN_ESTIMATORS", "logistic")
    with pytest.raises(UsageError, match="CRM_CHURN_ESTIMATORS is 'logistic': lists are JSON"):
        load_settings(tmp_path)


@pytest.mark.parametrize("grain", ["month", "week"])
def test_the_defaults_of_both_grains_make_the_choice_of_a_model_reachable(tmp_path, grain):
    """Four blocks are needed to choose; training spans most of a year, so that it sees more than one season."""
    (tmp_path / "crm.yaml").write_text(f"grain: {grain}\n")
    settings = load_settings(tmp_path)
    assert settings.evaluation_cutoffs >= BLOCKS_TO_CHOOSE
    assert settings.training_cutoffs * settings.training_stride >= 0.75 * settings.year


@pytest.mark.parametrize(
    ("text", "task", "words"),
    [
        (
            "demand_estimators: [linear, average]\n",
            "demand",
            "average is made of gradient_boosting, two_part too, which",
        ),
        ("churn_estimators: [logistic, gradient_boosting, average]\n", "churn", "made of purchase_process too, which"),
    ],
)
def test_an_average_abstains_whose_member_a_setting_leaves_out(tmp_path, text, task, words):
    (tmp_path / "crm.yaml").write_text(text)
    settings = load_settings(tmp_path)
    everything_chosen(tmp_path)
    why = {name: estimators.left_out(settings, task, name) for name in estimators.chosen(settings, task)}
    assert [name for name, reason in why.items() if reason] == ["average"]
    assert words in why["average"]
    assert why["average"].endswith("leave average out.")
    assert not estimators.left_out(Settings(), task, "average")


def test_a_task_without_an_estimator_is_told_as_the_definitions_load():
    with pytest.raises(UsageError, match="The task 'heavy' has no estimator: add an Entry for it"):
        estimators.chosen(Settings(), "heavy")
