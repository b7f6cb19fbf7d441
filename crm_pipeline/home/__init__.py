"""A home: its settings, source and lake opened together, the contracts of its assets, and what of it is stale. Knows no Dagster."""
