"""Speech in, a face that speaks out: recordings, faces of one's own, files for other programs."""
