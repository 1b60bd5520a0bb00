"""Pictures: which nodes merged, what came of them, and how methods compare.

They need matplotlib, and plotly for what can be turned: ``pip install 'multiscale-gcn[plot]'``.
Both are imported when something is drawn.
"""

from multiscale_gcn.plotting.bars import plot_comparison as plot_comparison
from multiscale_gcn.plotting.side_by_side import plot_hierarchy as plot_hierarchy
from multiscale_gcn.plotting.turning import plot_hierarchy_3d as plot_hierarchy_3d
