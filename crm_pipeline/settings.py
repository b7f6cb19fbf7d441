"""The one typed settings object, read from the environment and ``crm.yaml`` in the home. No other module reads either."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from crm_pipeline.errors import UsageError

WINDOWS = {"month": (1, 3, 6, 12), "week": (4, 13, 26, 52)}
HORIZON = {"month": 3, "week": 13}
YEAR = {"month": 12, "week": 52}
STRIDE = {"month": 1, "week": 4}
SHORT = "_estimators"
BLOCKS_TO_CHOOSE = 4
"""Non-overlapping outcomes that it takes to choose a model (rule 8); with fewer the fixed model is judged. A rule, no setting."""

LEAST_MEMORY = 10**8
"""Bytes without which no run gets far: of DuckDB, for each that may go at once."""

MOST_MEMORY = 2**50
"""Bytes that no machine has; DuckDB refuses some more by words of its own."""


SIZE = "give a size such as 4GB, 500MB or 7.5GiB"
FORMS = {
    "memory_limit": SIZE,
    "lake_cache": SIZE,
    "lake": "give an address such as s3://bucket/folder, the bucket's name in small letters, or leave it out",
    "spark_master": "give local[4], yarn, spark://host:7077 or k8s://host:port",
}
"""Settings of a form of their own, and what is said of another one."""

DATABASE = (
    r"^(postgres(ql)?(\+psycopg2)?://([^\s/@:?#]+(:[^\s/@:?#]*)?@)?(\[[0-9a-fA-F:.]+\]|[^\s/@:?#\[\]]*)(:\d{1,5})?"
    r"/[^\s/@:?#]+(\?[^\s#]*)?)?$"
)
"""What is special in user and password must be escaped, so that no part of a password is taken for a host and told."""

SECRETS = {
    "database_url": "is not of the form postgresql://user:password@host:port/name, with what is special in user and password "
    "written as %XX",
    "alert_webhook": "is no address that begins with https:// or http://",
}
"""Settings whose value is told nowhere, and what is said of a wrong one."""


class Settings(BaseSettings):
    """Everything that can be set, validated once.

    Environment variables are the field names in capitals with the prefix ``CRM_`` (``CRM_HORIZON=3``); lists and
    mappings are JSON. A value in the environment wins over ``crm.yaml``.
    """

    model_config = SettingsConfigDict(env_prefix="CRM_", extra="forbid", frozen=True)

    grain: Literal["month", "week"] = Field("month", description="Length of a period.")
    horizon: int = Field(0, ge=0, le=60, description="h, in periods; 0 takes the grain's default (3 months, 13 weeks).")
    windows: tuple[Annotated[int, Field(ge=1, le=520)], ...] = Field(
        (), description="Feature windows in periods; empty takes the grain's default."
    )
    eligibility: int = Field(
        0,
        ge=0,
        le=520,
        description="Eligible: an order with a positive amount in the last so many periods; 0 is a year.",
    )
    money_unit: Decimal = Field(
        Decimal("0.0001"),
        ge=Decimal("0.000001"),
        le=1,
        description="The unit in which amounts are stored as whole numbers, in major units, such as 0.01 or 0.05.",
    )
    seed: int = Field(20_111, ge=0, lt=2**32, description="Seed of every learner and sample.")
    engine: Literal["duckdb", "spark"] = Field(
        "duckdb",
        description=(
            "What computes the tables: `duckdb` on this machine, or `spark` (extra `spark`, and Java 17 or newer), where they outgrow "
            "it. Both write the same files, so a home may change its engine."
        ),
    )
    spark_master: str = Field(
        "local[*]",
        pattern=r"^(local(\[(\*|[1-9]\d*)(,\d+)?\])?|yarn|spark://\S+|k8s://\S+|local-cluster\[\S+\])$",
        description=(
            "Spark's master, such as `local[4]` or `spark://host:7077`. Every machine of a cluster must see the home under the same "
            "path."
        ),
    )
    spark_options: dict[str, str] = Field(
        {}, description="Options of Spark, by its own names: `{spark.executor.memory: 8g}`."
    )
    lake: str = Field(
        "",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]*)?)?$",
        description=(
            "Where the lake's data, manifests and generations lie: `s3://bucket/folder` in S3 or what speaks its protocol (extra `s3`), "
            "one folder for each home; none: in the home. Credentials are AWS's own: `AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, a role."
        ),
    )
    lake_options: dict[Literal["endpoint_url", "region_name", "profile_name"], str] = Field(
        {}, description="How that store is reached: `{endpoint_url: https://host:9000, region_name: eu-central-1}`."
    )
    lake_cache: str = Field(
        "",
        pattern=r"^(\d+(\.\d+)?\s*(MB|GB|MiB|GiB))?$",
        description=(
            "How much the copies in the home of files of a lake elsewhere may take, such as `50GB`; what was read within a day stays. "
            "None or 0: no limit."
        ),
    )
    memory_limit: str = Field(
        "4GB",
        pattern=r"^\d+(\.\d+)?\s*(MB|GB|MiB|GiB)$",
        description=(
            "Memory of DuckDB in all concurrent runs together; Python and the learners come on top (docs/benchmarks.md says how much)."
        ),
    )
    concurrent_runs: int = Field(
        1, ge=1, le=64, description="Runs that may go at once; each gets its share of the memory."
    )
    threads: int = Field(
        2,
        ge=1,
        le=256,
        description=(
            "Threads of the engine and of the learners, and processes that read many messages. Another number trains models anew: what "
            "they sum in another order may differ in its last digits."
        ),
    )
    estimators: dict[str, tuple[str, ...]] = Field(
        {},
        description=(
            "Task → the estimators of it that are trained; a task left out has all. "
            "`churn_estimators: [logistic]` is short for `estimators: {churn: [logistic]}`."
        ),
    )
    tasks: tuple[str, ...] = Field((), description="Tasks that are on; empty: all.")
    training_cutoffs: int = Field(10, ge=1, le=120, description="How many past cut-offs a model trains on.")
    training_stride: int = Field(
        0,
        ge=0,
        le=60,
        description="Periods between two training cut-offs; 0 takes the grain's default (1 month, 4 weeks).",
    )
    train_every: int = Field(
        1,
        ge=1,
        le=60,
        description=(
            "Models are trained every so many periods: with 3 (months) at the end of each quarter, with 12 in December. "
            "Between, the last champion scores, and `model_age_periods` says how old it is."
        ),
    )
    training_rows: int = Field(
        200_000, ge=1_000, description="Row cap of a training table (a fixed sample of customers)."
    )
    evaluation_cutoffs: int = Field(
        4,
        ge=1,
        le=60,
        description="Cut-offs, h periods apart, over which models are judged; with fewer than 4 nothing is chosen.",
    )
    contact_cost: float | None = Field(
        None,
        gt=0,
        description=(
            "What it costs to contact a customer, in major units. With `saved_value` it gives the probability of lapse from which a "
            "contact pays, and the profit of every model and baseline."
        ),
    )
    saved_value: float | None = Field(
        None,
        gt=0,
        description=(
            "What a contact saves on average of a customer who would have lapsed without it, in major units: the share that stays "
            "because of it times what one of them is worth."
        ),
    )
    fairness_max_gap: float | None = Field(
        None,
        gt=0,
        lt=1,
        description=(
            "By how much the share chosen may differ between two groups of people (gender, age, region, country): 0.1 is 10 points. "
            "A model that surely exceeds it (the lower end of its interval, at the newest judged cut-off) is not promoted; "
            "empty: differences are reported, and nothing follows from them."
        ),
    )
    fairness_mitigate: Literal["", "gender", "age", "region", "country"] = Field(
        "",
        description=(
            "Try thresholds of their own for the groups of this attribute, set at the cut-off before by what had matured "
            "(`fairlearn`), and report what they cost and give; scores stay as they are. Empty: none."
        ),
    )
    fairness_constraint: Literal["demographic_parity", "equalized_odds"] = Field(
        "demographic_parity",
        description="What such thresholds make equal: the share chosen, or the shares of false alarms and of the missed.",
    )
    tuning_trials: int = Field(
        20,
        ge=0,
        le=1000,
        description=(
            "Candidates in the search of gradient boosting's regularisation, where the training rows hold four blocks of time or "
            "more with a year before them; 0: no search. A number and no time, so that the same data give the same model."
        ),
    )
    process_sample: int = Field(
        50_000, ge=100, description="Customers on which the purchase process is fitted (a fixed sample)."
    )
    keep_generations_days: int = Field(
        400, ge=0, description="How long superseded generations of a partition can still be read."
    )
    mask_text: bool = Field(
        True,
        description=(
            "Personal data in messages (e-mail, telephone, card, IBAN, web address, names) are masked before anything but "
            "`raw/messages` sees a text; false: the texts stay as they are."
        ),
    )
    phone_regions: tuple[str, ...] = Field(
        ("DE", "AT", "CH", "GB", "FR", "NL", "BE", "IT", "ES", "US"),
        description="Countries (ISO 3166) whose national telephone numbers are masked; international ones are everywhere.",
    )
    transcriber: str = Field(
        "pocketsphinx",
        description=(
            "What writes down what is said in recordings of calls: `pocketsphinx` (English, comes with the extra audio; fast, for "
            "watched words), `pocketsphinx:everything` (some eight times slower, hears more of real speech), or `none`. For "
            "real calls bring a model: `vosk:FOLDER` or `faster-whisper:FOLDER`."
        ),
    )
    watched_words: tuple[str, ...] = Field(
        ("cancel", "refund", "lawyer", "supervisor"),
        description="Words and phrases that are looked for in calls, which then come earlier in the queue: `[cancel, refund]`.",
    )
    caller_channel: int = Field(
        2,
        ge=1,
        le=2,
        description="In a recording of two channels, the one with the customer's voice; the agent has the other.",
    )
    queue_days: int = Field(
        30, ge=1, le=366, description="How many days back, from a period's end, a call stands in the call queue."
    )
    topics: int = Field(12, ge=2, le=100, description="Topics that the messages of a year are sorted into.")
    contact: str = Field("", description="Who answers for the models, as their cards say: a team, a name, an address.")
    database_url: str = Field(
        "",
        repr=False,
        pattern=DATABASE,
        description=(
            "The PostgreSQL database of Dagster's history and MLflow's records, `postgresql://user:password@host:port/name`; "
            "none: SQLite in the home. A database for each home. A secret: better as `CRM_DATABASE_URL`."
        ),
    )
    alert_webhook: str = Field(
        "",
        repr=False,
        pattern=r"^(https?://\S+)?$",
        description='Address that is told of failures, by a POST of `{"text": …}`; a secret: better as `CRM_ALERT_WEBHOOK`.',
    )
    alert_email: str = Field("", description="Who is told of failures by e-mail; several are separated by commas.")
    smtp_host: str = Field("", description="The mail server for `alert_email`, such as `mail.example.com:587`.")

    schedule_delay_days: int = Field(
        2, ge=0, le=27, description="Days after a period's end before the schedule scores it: the time late data need."
    )
    schedule_hour: int = Field(6, ge=0, le=23, description="Hour of that day, in the source's time zone.")
    run_hours: float = Field(
        12, gt=0, le=240, description="A run of the UI, the schedule or the sensor that takes longer is ended."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file: the file is passed as init values by `load_settings`."""
        return env_settings, init_settings

    @model_validator(mode="before")
    @classmethod
    def _grain_defaults(cls, data: dict[str, Any]) -> dict[str, Any]:
        grain = data.get("grain", "month")
        if grain in HORIZON:
            data["horizon"] = data.get("horizon") or HORIZON[grain]
            data["windows"] = data.get("windows") or WINDOWS[grain]
            data["eligibility"] = data.get("eligibility") or YEAR[grain]
            data["training_stride"] = data.get("training_stride") or STRIDE[grain]
        return data

    @model_validator(mode="before")
    @classmethod
    def _short_names(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Read ``<task>_estimators`` as an entry of ``estimators``; the environment's win."""
        short = {name: value for name, value in data.items() if name.endswith(SHORT)}
        short |= {
            k[4:].lower(): _json_of(k, v)
            for k, v in os.environ.items()
            if k.startswith("CRM_") and k.endswith(SHORT.upper()) and k != "CRM_ESTIMATORS"
        }
        rest = {name: value for name, value in data.items() if name not in short}
        given = rest.get("estimators") or {}
        if not short or not isinstance(given, dict):  # what is no mapping is told by the field's own check
            return rest
        return rest | {"estimators": {**given, **{k.removesuffix(SHORT): v for k, v in short.items()}}}

    @field_validator("windows")
    @classmethod
    def _once(cls, windows: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(windows)) < len(windows):
            raise ValueError("give each window once")
        return windows

    @field_validator("money_unit")
    @classmethod
    def _divides_one(cls, unit: Decimal) -> Decimal:
        if 1 % unit:
            raise ValueError("1 is no whole number of such units: give one such as 0.01 or 0.05")
        return unit

    @field_validator("phone_regions")
    @classmethod
    def _known_regions(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        from phonenumbers import SUPPORTED_REGIONS

        unknown = [region for region in regions if region not in SUPPORTED_REGIONS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no country with telephone numbers; use two capitals such as DE or GB")
        return regions

    @field_validator("spark_options", mode="before")
    @classmethod
    def _as_spark_reads_them(cls, options: Any) -> Any:
        """Take numbers and truth values too, as YAML has them."""
        if not isinstance(options, dict):
            return options
        texts = {True: "true", False: "false"}
        return {
            k: texts[v] if isinstance(v, bool) else str(v) if isinstance(v, int | float) else v
            for k, v in options.items()
        }

    @field_validator("lake_options")
    @classmethod
    def _whole_address(cls, options: dict[str, str]) -> dict[str, str]:
        if not re.match(r"https?://\S", options.get("endpoint_url", "https://-")):
            raise ValueError("endpoint_url begins with http:// or https://, such as https://host:9000")
        return options

    @field_validator("memory_limit")
    @classmethod
    def _that_machines_have(cls, size: str) -> str:
        if _in_bytes(size) > MOST_MEMORY:
            raise ValueError("no machine has so much")
        return size

    @model_validator(mode="after")
    def _memory_for_all(self) -> Settings:
        least = LEAST_MEMORY * self.concurrent_runs
        if self.memory_bytes < least:
            raise ValueError(
                f"memory_limit is {self.memory_limit}: each of concurrent_runs ({self.concurrent_runs}) needs {LEAST_MEMORY // 10**6}MB"
            )
        return self

    @field_validator("transcriber")
    @classmethod
    def _known_transcriber(cls, name: str) -> str:
        if not re.fullmatch(r"none|pocketsphinx(:everything)?|(vosk|faster-whisper):.+", name.strip()):
            raise ValueError(
                f"{name!r} is not known: give pocketsphinx, pocketsphinx:everything, vosk:FOLDER, faster-whisper:FOLDER or none"
            )
        return name.strip()

    @field_validator("watched_words")
    @classmethod
    def _with_letters(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not any(letter.isalpha() for letter in word):
                raise ValueError(f"{word!r} has no letter: leave it out")
        return words

    @model_validator(mode="after")
    def _mail_needs_a_server(self) -> Settings:
        if self.alert_email and not self.smtp_host:
            raise ValueError("a mail server is needed: set smtp_host too")
        return self

    @model_validator(mode="after")
    def _contacts_pay(self) -> Settings:
        if (self.contact_cost is None) != (self.saved_value is None):
            raise ValueError("contact_cost and saved_value say something together only: set both or neither")
        if self.contact_cost and self.saved_value and self.contact_cost >= self.saved_value:
            raise ValueError(
                f"contact_cost {self.contact_cost:g} is not below saved_value {self.saved_value:g}: no contact would pay"
            )
        return self

    @property
    def cache_bytes(self) -> int:
        """`lake_cache` in bytes, 0 without."""
        return _in_bytes(self.lake_cache)

    @property
    def memory_bytes(self) -> int:
        """`memory_limit` in bytes."""
        return _in_bytes(self.memory_limit)

    @property
    def year(self) -> int:
        """Periods in a year."""
        return YEAR[self.grain]

    @property
    def emotions(self) -> tuple[tuple[str, str], ...]:
        """None: how voices can sound is known by a home's labelled recordings (`home.project.Project.shape`)."""
        return ()

    @property
    def intents(self) -> tuple[tuple[str, str], ...]:
        """None: which intents have a feature each is known by a home's labelled texts (`home.project.Project.shape`)."""
        return ()


KNOWN = ", ".join(sorted(Settings.model_fields))


def load_settings(home: Path) -> Settings:
    """Read the settings of ``home``: its ``crm.yaml``, overruled by ``CRM_*`` variables.

    Raises
    ------
    UsageError
        One sentence naming the file or variable, the field, what was found and what is allowed.
    """
    path = home / "crm.yaml"
    values: Any = {}
    if path.exists():
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f" line {mark.line + 1}" if mark else ""
            raise UsageError(f"{path}{where} is not valid YAML: mend it or remove it.") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be read ({error.strerror}): mend it or remove it.") from error
        if not isinstance(values, dict):
            raise UsageError(f"{path} must hold 'name: value' lines, one per setting; found {type(values).__name__}.")
        if unnamed := [key for key in values if not isinstance(key, str)]:
            raise UsageError(f"{path}: {unnamed[0]!r} is no name of a setting; known are {KNOWN}.")
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(p) for p in first["loc"]) or "settings"
        variable = f"CRM_{str(first['loc'][0]).upper()}" if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise UsageError(f"{path}: '{field}' is no setting; known are {KNOWN}.") from None
        if field in SECRETS:
            raise UsageError(f"Setting '{field}' (in {path} or {variable}) {SECRETS[field]}.") from None
        reason = str(first.get("ctx", {}).get("error", first["msg"]))
        if field in FORMS and first["type"] in ("string_pattern_mismatch", "string_type"):
            reason = FORMS[field]
        if not first["loc"]:
            raise UsageError(f"{path} (or CRM_* variables): {reason}.") from None
        raise UsageError(f"Setting '{field}' (in {path} or {variable}) is {first['input']!r}: {reason}.") from None
    except ValueError as error:  # pydantic-settings: a list in the environment that is no JSON
        raise UsageError(f"A CRM_* variable cannot be read: {error}; lists are JSON, such as [1, 3].") from None


def _in_bytes(size: str) -> int:
    """Return the bytes of a size such as ``4GB``, 0 of none."""
    found = re.match(r"([\d.]+)\s*(\w+)", size)
    units = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
    return int(float(found[1]) * units[found[2]]) if found else 0


def _json_of(variable: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f'{variable} is {text!r}: lists are JSON, such as ["logistic", "average"].') from error
