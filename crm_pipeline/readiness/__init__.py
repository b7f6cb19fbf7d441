"""What `check` says of a source: counts, refusals, which tasks it allows, a proposed horizon. Reading lies in sources."""

from crm_pipeline.readiness.rendering import render_readiness
from crm_pipeline.readiness.report import readiness

__all__ = ["readiness", "render_readiness"]
