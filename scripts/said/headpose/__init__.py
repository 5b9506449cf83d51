"""The second source: a face and a head that move to the rhythm of speech, reconstructed from its supplement."""
