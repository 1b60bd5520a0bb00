"""What makes an edge heavy: ratings, computed the same from either end."""

from __future__ import annotations

from multiscale_gcn.ratings.algebraic import AlgebraicDistance as AlgebraicDistance
from multiscale_gcn.ratings.entries import EntryRating as EntryRating
from multiscale_gcn.ratings.entries import GivenRating as GivenRating
from multiscale_gcn.ratings.features import InnerProduct as InnerProduct
from multiscale_gcn.ratings.formulas import EdgeWeight as EdgeWeight
from multiscale_gcn.ratings.formulas import Expansion as Expansion
from multiscale_gcn.ratings.formulas import ExpansionStar as ExpansionStar
from multiscale_gcn.ratings.formulas import ExpansionStar2 as ExpansionStar2
from multiscale_gcn.ratings.formulas import FormulaRating as FormulaRating
from multiscale_gcn.ratings.formulas import InnerOuter as InnerOuter
from multiscale_gcn.ratings.formulas import NormalizedAssociation as NormalizedAssociation
from multiscale_gcn.ratings.formulas import NormalizedCut as NormalizedCut
from multiscale_gcn.ratings.rating import NodeTerms as NodeTerms
from multiscale_gcn.ratings.rating import Rating as Rating
