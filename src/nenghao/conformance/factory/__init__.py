"""A simulated factory (模拟工厂): meters that a device reads over Modbus TCP and OPC UA.

The process behind the registers is that of `fleet` and `load_shapes`, or a CSV of real readings
played back; `plant` puts meters on it, `faults` makes them misbehave as told, `modbus_server` and
`opcua_server` speak to whoever asks. Time comes from outside (`clock`), so that a month can pass
in seconds of a test. What a device makes of the readings is the device's business.
"""
