"""People: identity, body, garments, hair, motion; numpy only."""
