"""Totals in standard coal (折标合计) as the platform keeps them: docs/energy.md.

marks      which units' periods are dirty; written by whatever changes what totals are made of
places     in which region and industry a unit is counted, by date
inputs     a unit's stored values as the arithmetic of `standard.indicators` takes them
settle     dirty periods computed again, roll-ups brought up to date, in one transaction
roll_ups   the cells that a unit's total is added to
packed     how the totals of a frame are stored
options    the settings of the arithmetic, as the stored totals were computed with them
settler    settles in the background, one process at a time
verify     everything from the frames once more, held against what is kept
explain    how one unit's total of one period comes about
"""
