"""Pure table functions from Ibis tables to Ibis tables. They know neither Dagster nor files nor the engine."""
