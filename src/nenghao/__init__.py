"""nenghao (能耗): China's energy-consumption online monitoring interfaces, platform and device."""

__version__ = "0.1.0"
