"""Readers of the data sets that people have: Human3.6M, MPI-INF-3DHP, CMU and their own arrays.

Nothing here comes with the data themselves. Each reader says which file it misses, what is wrong
with one and how to mend it.
"""
