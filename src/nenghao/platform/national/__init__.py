"""The national role (国家平台) and what a province owes to it and gets from it (5.1-2).

`provinces` lets a province's certificate speak for its units, `announcements` takes these in,
`digests` says what is there. On the province's side `verify` compares that with its own, and
`base_data` takes the nation's dictionaries. Sending is `platform.uplink`'s business.
"""
