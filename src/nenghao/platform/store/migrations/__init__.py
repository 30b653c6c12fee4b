"""The history of the platform's schema, run by `Store.upgrade()`; see `versions`."""
