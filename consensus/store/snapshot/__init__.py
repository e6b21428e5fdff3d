"""The bytes of the replicated state: format, writer, reader."""
