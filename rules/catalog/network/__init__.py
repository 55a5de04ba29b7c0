"""What network policies allow, over every API that the cluster enforces."""
