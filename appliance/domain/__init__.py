"""The words of the trade: no clock, no I/O, no asyncio."""
