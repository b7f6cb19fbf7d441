"""Plots, tables and the HTML report: data frames in, HTML text or PNG bytes out. No files, no Dagster, no MLflow."""
