"""The ways to read a meter (采集来源), one module each; they hand readings to `history`.

Online direct collection (在线直接采集, 3.7) begins here: a source knows how its meter or system
speaks and nothing of the platform.
"""
