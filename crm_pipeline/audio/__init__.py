"""Recordings of calls as numbers: what is heard in them, who speaks and how. Where recordings lie does not belong here."""
