"""Who may do what: bearer tokens, rules by layer, prefix and action, what each route asks for, and the audit log.

`authority.py` puts it together; the gate (`app/http/gate.py`) asks it once for every request.
"""
