"""The maps before non-local attention, joined to one."""
