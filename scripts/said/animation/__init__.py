"""Speech in, a face that speaks out: recordings of any kind and length, curves and scenes for other programs, live."""
