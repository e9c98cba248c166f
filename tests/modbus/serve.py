"""A Modbus RTU unit by pymodbus, as independent a server as there is: prints each change of its coil, and plays a sensor
that sees a part fall a moment after the coil was energised.

    serve.py TERMINAL UNIT COIL INPUT
"""
import sys
import threading

from pymodbus import FramerType
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartSerialServer

terminal = sys.argv[1]
unit, coil, sensor = map(int, sys.argv[2:5])
# pymodbus counts addresses of a block from 1.
inputs = ModbusSequentialDataBlock(1, [0] * (sensor + 1))


class Coils(ModbusSequentialDataBlock):
    def setValues(self, address, values):
        super().setValues(address, values)
        print(f"coil {address - 1} {int(values[0])}", flush=True)
        if address - 1 == coil and values[0]:
            threading.Timer(0.1, inputs.setValues, (sensor + 1, [1])).start()
            threading.Timer(0.2, inputs.setValues, (sensor + 1, [0])).start()


device = ModbusSlaveContext(co=Coils(1, [0] * (coil + 1)), di=inputs)
print("ready", flush=True)
StartSerialServer(
    context=ModbusServerContext(slaves={unit: device}, single=False),
    framer=FramerType.RTU,
    port=terminal,
    baudrate=115200,
)
