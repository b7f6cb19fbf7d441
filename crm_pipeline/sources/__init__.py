"""Where raw tables come from: source.yaml, reading, sync. No cleaning rules and no Dagster belong here.

Import from the modules: the definitions need only `sources.state`, and must not pay for what reads files.
"""
