"""Lip-sync (Section 10): SyncNet, its film of a face, its training, its measurement and validation."""
