"""Places and presets."""
