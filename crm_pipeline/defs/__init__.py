"""Dagster's own convention, and the only folder that imports dagster. Table logic and learning do not belong here."""
