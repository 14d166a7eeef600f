"""`backtest`: what a policy would have made of a list of entries on past candles, beside `static` and `hybrid`.

It reads files and nothing else: no exchange, no Redis. Without a configuration file the defaults of the program hold.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from position_monitor import __version__
from position_monitor.cli.backtest_costs import costs_of, funding_facts, funding_rates, margin_of
from position_monitor.cli.backtest_documents import document, table_rows
from position_monitor.cli.backtest_page import backtest_page
from position_monitor.cli.backtest_view import rendered
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import jsonable, print_json, print_rendered, say
from position_monitor.cli.report_file import write_page
from position_monitor.config import Config, load_config
from position_monitor.config.policy_words import settings_under
from position_monitor.config.sources import config_path
from position_monitor.core.backtest.candle_series import PriceKind
from position_monitor.core.backtest.hours import NO_HOURS, market_hours
from position_monitor.core.backtest.result import BacktestResult, CandleFacts, Tries
from position_monitor.core.backtest.running import BESIDE, Contender, Request, backtest, with_tries
from position_monitor.core.backtest.terms import Entry, Terms
from position_monitor.core.backtest.walk import Market
from position_monitor.core.exits.policies import asks_the_market
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.edge.candle_files import CandleFile, missing_candles, read_candles, time_ms
from position_monitor.edge.entry_files import read_entries, refuse_what_has_no_candle
from position_monitor.edge.sample_market import write_sample
from position_monitor.edge.tries import add_try, ledger_beside
from position_monitor.errors import BadInput

_LARGE = Decimal(1_000_000_000)


def execute(arguments: argparse.Namespace) -> int:
    """Read, walk, show. Raises `BadInput` for files and values that cannot be used (exit 1)."""
    if arguments.sample is not None:
        return _sample(arguments)
    if not arguments.candles or arguments.entries is None:
        raise BadInput("--candles FILE and --entries FILE are needed; --sample DIR writes a pair of them")
    config = _config(arguments.config)
    entries = read_entries(arguments.entries)
    files = _candle_files(arguments, entries)
    refuse_what_has_no_candle(arguments.entries, entries, {name: file.series for name, file in files.items()})
    request = _request(arguments, config, entries, files)
    walks = len(entries) * len(request.contenders)
    with _progress("walking", walks) as progress:
        began_s = time.perf_counter()
        result = backtest(request, progress)
        walk_s = time.perf_counter() - began_s
    result = _judged(arguments, replace(result, walk_s=walk_s), files)
    _show(arguments, result)
    if arguments.report is not None:
        write_page(arguments.report, backtest_page(result))
        say(f"wrote {arguments.report}")
    return ExitCode.OK


def _show(arguments: argparse.Namespace, result: BacktestResult) -> None:
    if arguments.json:
        print_json(document(result))
    elif arguments.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows(table_rows(result))
    else:
        print_rendered(*rendered(result))
    for note in result.notes:
        say(f"! {note}")


def _sample(arguments: argparse.Namespace) -> int:
    files = write_sample(arguments.sample, seed=arguments.seed)
    if arguments.json:
        print_json({"candles": str(files.candles), "entries": str(files.entries), "seed": arguments.seed})
    else:
        say(f"wrote {files.candles} and {files.entries}: a walk without drift, seed {arguments.seed}. Next:")
        say(f"  position-monitor backtest --candles {files.candles} --entries {files.entries} --policy brain:TREND")
    return ExitCode.OK


def _config(path: Path | None) -> Config:
    """The configuration that is named, or the one of this machine, or the defaults where it has none."""
    if path is None and not config_path(None, os.environ).exists():
        say("position-monitor: no configuration file on this machine: the defaults hold")
        return Config.from_data({}, os.environ, need_credentials=False)
    return load_config(path, need_credentials=False)


def _candle_files(arguments: argparse.Namespace, entries: Sequence[Entry]) -> dict[str, CandleFile]:
    """The files by symbol. A file without `SYMBOL=` before it is that of the only symbol of the entries."""
    symbols, files = sorted({entry.symbol for entry in entries}), {}
    for word in arguments.candles:
        symbol, equals, name = word.partition("=")
        if not equals:
            symbol, name = symbols[0], word
            if len(symbols) > 1 or len(arguments.candles) > 1:
                raise BadInput(
                    f"--candles {word}: the entries are of {', '.join(symbols)}: say which this is, SYMBOL={word}"
                )
        if symbol.upper() in files:
            raise BadInput(f"--candles {word}: a second file of {symbol.upper()}; join them into one, by time")
        path = Path(name)
        size = path.stat().st_size if path.is_file() else 0
        with _progress(f"reading {path.name}", size) as progress:
            files[symbol.upper()] = read_candles(path, symbol.upper(), progress)
    return files


def _request(
    arguments: argparse.Namespace, config: Config, entries: Sequence[Entry], files: Mapping[str, CandleFile]
) -> Request:
    settings = {
        word: {name: settings_under(config.protection_settings(name), word) for name in files}
        for word in dict.fromkeys((arguments.policy.strip(), *BESIDE))
    }
    asks = any(asks_the_market(one) for by_symbol in settings.values() for one in by_symbol.values())
    thresholds = config.exit.regimes.thresholds()
    costs, margin = costs_of(arguments), margin_of(arguments)
    funding = funding_rates(arguments.funding, sorted(files))
    under = json.dumps(jsonable((costs, margin, arguments.hedge, *funding.items())))
    rules = {name: _instrument(arguments, file, name, entries) for name, file in files.items()}
    contenders = [
        Contender(
            name=word,
            terms={
                name: Terms(rules[name][0], one, costs, margin, hedged=arguments.hedge, funding=funding.get(name))
                for name, one in by_symbol.items()
            },
            settings_hash=_hash(_settings_text(by_symbol), under),
        )
        for word, by_symbol in settings.items()
    ]
    return Request(
        markets={
            name: Market(file.series, market_hours(file.series, thresholds) if asks else NO_HOURS)
            for name, file in files.items()
        },
        facts=tuple(_facts(arguments, file, *rules[name]) for name, file in sorted(files.items())),
        entries=entries,
        contenders=contenders,
        split_ms=None if arguments.split is None else _split_ms(arguments.split),
        version=__version__,
        funding=funding_facts(funding),
    )


def _judged(arguments: argparse.Namespace, result: BacktestResult, files: Mapping[str, CandleFile]) -> BacktestResult:
    """The result with its place among the tries on these data."""
    data = (f"{name}{file.data_hash}" for name, file in sorted(files.items()))
    data_hash = _hash(*data, hashlib.sha256(arguments.entries.read_bytes()).hexdigest())
    ledger = ledger_beside(arguments.entries) if arguments.tries is None else arguments.tries
    counted = add_try(
        ledger,
        data_hash=data_hash,
        settings_hash=result.settings_hash,
        policy=result.asked.name,
        at_ms=time.time_ns() // 1_000_000,
    )
    result = replace(result, data_hash=data_hash)
    if isinstance(counted, Tries):
        return with_tries(result, counted)
    return replace(result, notes=(*result.notes, counted))


def _settings_text(by_symbol: Mapping[str, ProtectionSettings]) -> str:
    """The settings as text that is the same in every process."""
    documents = {name: jsonable(one) for name, one in by_symbol.items()}
    for settings in documents.values():
        settings.pop("_hash", None)  # of the process
    return json.dumps(documents, sort_keys=True)


def _hash(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]


def _facts(
    arguments: argparse.Namespace, file: CandleFile, instrument: Instrument, derived: tuple[str, ...]
) -> CandleFacts:
    series = file.series
    gaps = list(missing_candles(series))
    return CandleFacts(
        symbol=series.symbol,
        prices=PriceKind(arguments.prices),
        candles=len(series),
        interval_ms=series.interval_ms,
        first_ms=series.times[0],
        last_ms=series.times[-1],
        gaps=len(gaps),
        missing=sum(missing for _, missing in gaps),
        instrument=instrument,
        derived=derived,
    )


def _instrument(
    arguments: argparse.Namespace, file: CandleFile, symbol: str, entries: Sequence[Entry]
) -> tuple[Instrument, tuple[str, ...]]:
    """The venue's rules as they are stated; tick and step else by the decimals of the files, which is said."""
    derived, tick, step = [], arguments.tick, arguments.step
    if tick is None:
        tick = Decimal(1).scaleb(-file.decimals)
        derived.append("tick")
    if step is None:
        exponents = [int(one.quantity.normalize().as_tuple().exponent) for one in entries if one.symbol == symbol]
        step = Decimal(1).scaleb(min([0, *exponents]))
        derived.append("step")
    instrument = Instrument(
        symbol=symbol,
        tick=tick,
        step=step,
        min_quantity=step,
        max_quantity=_LARGE,
        market_min_quantity=step,
        market_max_quantity=_LARGE if arguments.max_quantity is None else arguments.max_quantity,
        min_price=tick,
        max_price=_LARGE,
        min_notional=arguments.min_notional,
        percent_up=Decimal("1.05"),
        percent_down=Decimal("0.95"),
    )
    for one in entries:
        if one.symbol == symbol and one.quantity % step:
            raise BadInput(f"{arguments.entries}:{one.line}: the quantity {one.quantity} is no multiple of {step}")
    return instrument, tuple(derived)


def _split_ms(text: str) -> int:
    try:
        return time_ms(text)
    except ValueError:
        raise BadInput(f"--split was {text!r}; expected a date (2026-03-01) or epoch milliseconds") from None


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal; nothing elsewhere."""
    if not sys.stderr.isatty() or not total:
        yield lambda _: None
        return
    from rich.console import Console  # here, because only a terminal needs it
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
