"""The end device (端设备) that a unit installs: collects, keeps, aggregates and uploads.

The way of a value: `sources` → `history` → `aggregation` → `batches` → `outbox` → `session`
decides when → `client` → the platform. Knows the wire (`nenghao.standard`) and certificates
(`nenghao.security`), and nothing of the platform's insides.
"""
