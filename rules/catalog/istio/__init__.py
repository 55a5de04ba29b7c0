"""Objects of Istio that tenants write: they must not take from the mesh what it guarantees."""
