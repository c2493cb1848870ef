"""``gridwright history``: candles or trades of a market, from the configured exchange into the state directory.

stdout has what came of it, the gaps among it; stderr how far it is. Gaps are no failure: they are told.
"""

import json
from argparse import Namespace

from engine.cli.output import DONE, FAILED, narrate, put
from engine.cli.progress import open_bar
from engine.lab.history_words import End, Gap, HistoryReport, HistoryWish, Progress
from engine.model.text import clean_text
from engine.model.times import time_text
from engine.settings import find_config, load_settings

_GAPS_SHOWN = 50


def run_history(options: Namespace) -> int:
    """Download and tell; failed where it ended before everything that is wished for was there.

    Raises:
        SettingsInvalid: the configuration, the exchange, the market or the folder cannot be used.
    """
    settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    # Imported here: what reads and writes the files is slow.
    from engine.lab.history import Ears, download_history

    wish = HistoryWish(
        symbol=options.symbol,
        interval_ms=None if options.trades else options.interval,
        from_ms=options.start,
        to_ms=options.to,
    )
    with open_bar(f"{options.symbol} from {settings.exchange.id}") as bar:

        def told(progress: Progress) -> None:
            done, total = progress.at_ms - progress.from_ms, progress.to_ms - progress.from_ms
            bar.move(done, total, f"{progress.rows} rows, to {time_text(progress.at_ms)}")

        report = download_history(settings, wish, Ears(progress=told, notice=bar.say))
    put(json.dumps(_object(report, wish), indent=2) if options.json else _text(report))
    return _tell_end(report)


def _tell_end(report: HistoryReport) -> int:
    match report.end:
        case End.DONE:
            return DONE
        case End.INTERRUPTED:
            narrate("interrupted; what came is kept, and the same command goes on from there")
        case End.GIVEN_UP:
            narrate(report.reason, "given up; what came is kept, and the same command goes on from there")
    return FAILED


def _text(report: HistoryReport) -> str:
    lines = [f"file: {clean_text(str(report.file), 1000)}"]
    if report.span is None:
        lines.append("rows: none yet")
    else:
        reach = f"{time_text(report.span.from_ms)} to {time_text(report.span.to_ms)}"
        lines += [f"covers: {reach}", f"rows: {report.rows}, {report.new_rows} of them new"]
    if report.aside_rows:
        lines.append(f"beside it: {report.aside_rows} rows, joined to the file once what lies between is there")
    lines += [_gap_text(gap) for gap in report.gaps[:_GAPS_SHOWN]]
    if report.gaps_total > _GAPS_SHOWN:
        lines.append(f"gaps: {report.gaps_total - _GAPS_SHOWN} more; --json lists them")
    if report.span is not None and not report.gaps_total:
        lines.append("gaps: none")
    if report.span is not None and report.rows:
        lines.append(f'replay it with [simulation] source = "replay" and path = "{clean_text(str(report.file), 1000)}"')
    return "\n".join(lines)


def _gap_text(gap: Gap) -> str:
    missing = "trades may be missing" if gap.candles is None else f"{gap.candles} candles"
    return f"gap: {time_text(gap.from_ms)} to {time_text(gap.to_ms)}, {missing}"


def _object(report: HistoryReport, wish: HistoryWish) -> dict[str, object]:
    span = report.span
    return {
        "file": str(report.file),
        "symbol": wish.symbol,
        "interval_ms": wish.interval_ms,
        "end": report.end.value,
        "reason": report.reason,
        "from": None if span is None else time_text(span.from_ms),
        "to": None if span is None else time_text(span.to_ms),
        "rows": report.rows,
        "new_rows": report.new_rows,
        "aside_rows": report.aside_rows,
        "gaps_total": report.gaps_total,
        "gaps": [
            {"from": time_text(gap.from_ms), "to": time_text(gap.to_ms), "candles": gap.candles} for gap in report.gaps
        ],
    }
