"""People: identity, body, garments, hair, bags and shoes; numpy only."""
