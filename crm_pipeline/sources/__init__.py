"""Where raw tables come from: source.yaml, reading, sync. No cleaning rules and no Dagster belong here."""
