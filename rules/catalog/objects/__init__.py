"""Objects as such, whatever they are for."""
