"""Files to a graph, its nodes in the order of the file."""

from multiscale_gcn.convert.files.table import from_file as from_file
