"""PostgreSQL as a sink: rows by binary COPY, position and rows in one transaction. See docs/postgres.md."""
