"""Looks at this machine: processes, ports, files, the gateway's own address."""
