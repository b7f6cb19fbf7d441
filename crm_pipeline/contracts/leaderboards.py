"""The contract of the leaderboards: all models of a task beside each other. No values here."""

from __future__ import annotations

from crm_pipeline.contracts.column import Output

LEADERS = "_leaderboard"
"""Ending of the asset that puts all models of a task beside each other: ``evaluation/<task>_leaderboard``."""

LEADERBOARD = tuple(
    Output(*row)
    for row in (
        ("task", "text", "what is predicted"),
        ("rank", "int64", "1 has the least mean loss; null: not judged on every block"),
        ("model", "text", "estimator, or baseline prefixed baseline_"),
        ("kind", "text", "estimator or baseline"),
        ("role", "text", "champion, runner-up, or best baseline; null for others"),
        ("loss", "text", "the metric by which models are compared; less is better"),
        (
            "blocks",
            "int64",
            "non-overlapping blocks of h periods, of those of the decision, on which it was judged",
            "blocks",
        ),
        ("mean_loss", "float64", "its mean loss over them"),
        ("wins", "int64", "blocks in which no model that was judged on all has less loss", "blocks"),
        ("against_champion", "float64", "its loss less the champion's, mean over the blocks; below 0 is better"),
        ("against_champion_error", "float64", "block standard error of that difference; null: fewer than two blocks"),
        ("ahead_of_champion", "int64", "blocks in which its loss is less than the champion's", "blocks"),
        (
            "against_baseline",
            "float64",
            "its loss less that of the best baseline, mean over the blocks; below 0 is better",
        ),
        ("against_baseline_error", "float64", "block standard error of that difference"),
        ("ahead_of_baseline", "int64", "blocks in which its loss is less than that of the best baseline", "blocks"),
    )
)
"""Followed by ``mean_<metric>`` of every metric that the task shows, over the same blocks."""
