"""The uplink (上送): everything that a unit uploaded reaches the national platform, once (5.1-2).

`marks` says what is not yet up, in the transaction that takes an upload in. `batches` makes
messages of it, `line` carries them, `sender` sends a unit's in order and takes marks away when
they were acknowledged, `service` does that for all units, `lease` keeps it to one process, which
is a child of `serve` (`child`). `status` tells where it stands, `credentials` who the province is.
The receiving side is `platform.national`.
"""
