"""The thirty faults of PySyncObj 0.3.17 (specification, section 2): shown on stock, and gone here."""
