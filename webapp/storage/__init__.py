"""How anything is kept."""
