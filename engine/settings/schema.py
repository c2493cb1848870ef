"""What ``config.toml`` may hold, checked by pydantic, and what the engine gets of it.

The sections are in ``schema_engine``, ``schema_simulation``, ``schema_regime``, ``schema_risk`` and
``schema_grid``, the kinds of value in ``schema_types``, the rules between keys in ``contradictions``.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from engine.model.errors import SettingsInvalid
from engine.model.ids import GRIDS_MAX
from engine.model.risk import RiskSettings
from engine.settings.contradictions import contradictions
from engine.settings.problems import problem_lines
from engine.settings.schema_engine import EngineSection, ExchangeSection, ReconcileSection
from engine.settings.schema_grid import GridSection
from engine.settings.schema_regime import RegimeSection
from engine.settings.schema_risk import RiskSection
from engine.settings.schema_simulation import SimulationSection
from engine.settings.schema_types import Section
from engine.settings.values import Settings
from engine.settings.words import is_swap


def _some(grids: tuple[GridSection, ...]) -> tuple[GridSection, ...]:
    # Not a length for pydantic to check: it counts only the grids that are sound.
    if not 1 <= len(grids) <= GRIDS_MAX:
        raise ValueError
    return grids


class Document(Section):
    """The whole file."""

    engine: EngineSection = Field(default=EngineSection(), description="a table")
    reconcile: ReconcileSection = Field(default=ReconcileSection(), description="a table")
    exchange: ExchangeSection = Field(default=ExchangeSection(), description="a table")
    simulation: SimulationSection = Field(default=SimulationSection(), description="a table")
    regime: RegimeSection | None = Field(default=None, description="a table")
    risk: RiskSection = Field(default=RiskSection(), description="a table")
    grid: Annotated[tuple[GridSection, ...], AfterValidator(_some)] = Field(
        description=f"1 to {GRIDS_MAX} sections [[grid]]"
    )


def settings_from_document(document: dict[str, Any], *, label: str, folder: Path) -> Settings:
    """Check a parsed file; relative paths start at ``folder``, ``label`` stands before every problem.

    Raises:
        SettingsInvalid: with every problem.
    """
    try:
        checked, errors = Document.model_validate(document), []
    except ValidationError as error:
        checked, errors = None, error.errors(include_url=False)
    lines = problem_lines(errors, contradictions(document), Document)
    if checked is None or lines:
        raise SettingsInvalid(*(f"{label}: {line}" for line in lines))
    try:
        return _settings(checked, folder)
    except RuntimeError as error:  # "~NAME" of somebody who does not exist
        raise SettingsInvalid(f"{label}: {error}") from None


def _settings(document: Document, folder: Path) -> Settings:
    regime = document.regime
    return Settings(
        engine=document.engine.settings(folder),
        exchange=document.exchange.settings(folder),
        simulation=document.simulation.settings(folder),
        grids=tuple(grid.spec() for grid in document.grid),
        file=None,
        reconcile=document.reconcile.policy(),
        regime=regime.settings() if regime is not None and regime.enabled else None,
        without_regime=frozenset(grid.name for grid in document.grid if grid.regime is False),
        risk=_risk(document),
    )


def _risk(document: Document) -> dict[str, RiskSettings]:
    """The risk of the grids that have any."""
    found = {grid.name: _risk_of(grid, document.risk) for grid in document.grid}
    return {name: settings for name, settings in found.items() if settings != RiskSettings()}


def _risk_of(grid: GridSection, common: RiskSection) -> RiskSettings:
    section = grid.risk.over(common)
    if not is_swap(grid.symbol):
        # Coin cannot be liquidated, and a common limit may be meant for the swaps beside it.
        section = section.model_copy(update={"liquidation_distance_min": None})
    return section.settings(tuple(stop.rule() for stop in grid.stop))
