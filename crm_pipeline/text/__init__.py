"""What people write: cleaned, masked, counted and understood. Pure functions over texts; no Dagster, no files, no tables' contracts."""
