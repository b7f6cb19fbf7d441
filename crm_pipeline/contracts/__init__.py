"""The contracts of tables: columns, units, bounds, rules. No code that reads or writes data belongs here."""
