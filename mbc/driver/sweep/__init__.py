"""`mbc sweep`: many points of one network, compiled side by side and measured alone."""
