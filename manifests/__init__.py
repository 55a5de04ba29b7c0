"""What is installed: a kustomize base and overlays. Data only; `webhook.configuration` reads it."""
