"""The licensed data: download, archives, reading, audit."""
