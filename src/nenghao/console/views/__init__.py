"""What pages show, read from the store in one snapshot; no page, no browser, no clock."""
