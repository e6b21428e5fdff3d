"""What a small program loses under faults, on stock PySyncObj and on ours: docs/pysyncobj.md has the table."""
