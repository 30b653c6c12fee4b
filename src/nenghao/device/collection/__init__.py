"""From samples to indicators (采集与计算, 3.4): what lies between a source and the history.

The way of a sample: a source of `nenghao.device.sources` reads it, `collector` asks for it on the
poll grid, `recorder` keeps it (`samples`, 7 days) and makes ticks of it (`ticks`, with `counters`
and `signals`) as the items of `settings` say (`plan`, `expressions`, `units`). Everything but the
collector is pure, or a function over the caller's transaction; nothing here reads a clock.
"""
