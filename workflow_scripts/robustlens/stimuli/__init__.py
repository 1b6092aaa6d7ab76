"""Image sets: one file a manipulation or a source."""
