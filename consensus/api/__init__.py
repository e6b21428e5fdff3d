"""The metadata API: what programs call, whether a member of the group serves it or HTTP carries it."""
