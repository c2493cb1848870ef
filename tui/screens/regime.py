"""The regime screen: what kind of market it is, by which figures, and what that holds back."""

from tui.bindings import bindings_for
from tui.keys import Scope
from tui.panes.regime import IndicatorsPane, RegimePane, ShadowPane
from tui.screens.bounds import BoundsScreen
from tui.view import View


class RegimeScreen(BoundsScreen):
    """The regime, its indicators, and the shadow ledger of the chosen grid."""

    BINDINGS = bindings_for(Scope.REGIME)

    def __init__(self, view: View) -> None:
        figures = IndicatorsPane("regime-indicators"), ShadowPane("regime-shadow")
        super().__init__(view, Scope.REGIME, [RegimePane("regime-state")], figures)
