"""The thirty faults of PySyncObj 0.3.17 (docs/spec/pysyncobj-faults.md): shown on stock, and gone here."""
