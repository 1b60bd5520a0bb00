"""The mirror of a mesh, whose halves seldom are equal: found, reported, and made exact."""

from multiscale_gcn.mirrors.finding import find_mirror as find_mirror
from multiscale_gcn.mirrors.mirror import Mirror as Mirror
