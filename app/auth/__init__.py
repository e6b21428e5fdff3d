"""Authentication and authorization: bearer tokens, rules by layer, prefix and action, the audit log.

`authority.py` decides; the gate (`app/http/gate/gate.py`) asks it once for every request. `routes.py` has the rights
that each route needs.
"""
