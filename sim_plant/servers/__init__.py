"""The plant's two faces on the wire: OPC UA and Modbus TCP, on one state."""
