"""crm_pipeline: from raw CRM tables to one scored customer table. Nothing but the version belongs here."""

__version__ = "0.1.0"
