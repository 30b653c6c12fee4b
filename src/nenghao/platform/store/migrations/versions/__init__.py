"""One module per schema version, each frozen once it has been released."""
