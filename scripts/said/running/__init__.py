"""The ground floor: what every job stands on. It may never change a byte of a result."""
