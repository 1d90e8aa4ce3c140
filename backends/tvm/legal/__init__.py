"""Ops of mbc as expressions of Relax, by kind of op."""
