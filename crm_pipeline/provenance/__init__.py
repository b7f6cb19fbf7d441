"""What was published when, what changed between, and where a number comes from: read from manifests. Nothing is built or written here."""
