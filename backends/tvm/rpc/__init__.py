"""Devices behind TVM's RPC: their tracker, and sessions on them."""
