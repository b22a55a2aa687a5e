"""PostgreSQL: tables, one repository per stage, and the only file that commits."""
