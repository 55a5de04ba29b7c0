"""With whose identity pods reach the services of the cloud."""
