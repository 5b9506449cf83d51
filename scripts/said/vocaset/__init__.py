"""The licensed data: download, archives, reading and audit."""
