"""The rows: tables, engine, migrations, recording, lineage, views."""
