"""By what names the value of a year is asked and learned. Light, because the definitions load it; nothing is computed here."""

from __future__ import annotations

LIKE = "demand"
"""The task whose question, asked of a year, is the value of a customer: labels, learner and metrics are its own."""

FIXED, LEARNED = "gamma_gamma", "gradient_boosting"
