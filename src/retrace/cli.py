"""`retrace`: look at results, check them, and move evidence; running things is Snakemake's part."""

from __future__ import annotations

import argparse
import io
import os
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from retrace.config import SCALES, Config
from retrace.errors import RetraceError
from retrace.yamls import read_yaml


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 when done, 1 after a one-line error or a failed audit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a title may hold letters that the terminal has not
    arguments = _parser().parse_args(argv)
    try:
        anywhere = arguments.run in (_verify, _audit_model)
        status = arguments.run(arguments, Path.cwd() if anywhere else _root())
        sys.stdout.flush()
        return int(status or 0)
    except RetraceError as error:
        print(f"retrace: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who reads has seen enough (`| head`); at its end Python would flush once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:  # a plain install lacks what only some commands need
        lacking = (error.name or "").split(".")[0]
        if lacking in ("", "retrace"):
            raise
        print(f"retrace: this needs the package {lacking}: pip install 'retrace[workflow]'", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="retrace", description=__doc__)
    parser.add_argument("--version", action="version", version=f"retrace {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    def scaled(made: argparse.ArgumentParser, seeded: bool = True) -> argparse.ArgumentParser:
        made.add_argument("--scale", choices=SCALES, help="default: the scale of config/config.yaml")
        if seeded:
            made.add_argument("--seeds", type=int, help="default: the seeds of config/config.yaml")
            made.add_argument("--pilot", type=int, metavar="N", help="N pilot seeds in place of the sheet's")
        return made

    verdicts = scaled(command("verdicts", _verdicts, "print the verdicts that have been reached"))
    verdicts.add_argument("papers", nargs="*", help="only these papers")
    scaled(command("index", _index, "list evidence with its cell, seed, key and cost"))
    audit = scaled(command("audit", _audit, "compute random cells again and compare their results"))
    audit.add_argument("-k", type=int, default=3, help="how many (default 3)")
    audit.add_argument(
        "--beside",
        type=Path,
        metavar="VERDICTS",
        help="compare with another machine's verdicts folder instead",
    )
    audit.add_argument("--seed", type=int, help="which random choice (default: a new one, printed)")
    cost = scaled(command("cost", _cost, "say what a scale takes before it is run: time, energy, room"))
    cost.add_argument("studies", nargs="*", metavar="STUDY", help="only these studies")
    reach = scaled(command("reach", _reach, "say what a change of files makes again, and what that cost"))
    reach.add_argument(
        "files", nargs="+", metavar="FILE", help="code, sheet, claims, data; or a dotted module"
    )
    power = scaled(command("power", _power, "say which number of seeds or items would decide each claim"))
    power.add_argument("papers", nargs="*", metavar="PAPER", help="only these papers")
    power.add_argument("--csv", metavar="FILE", help="also write it there")
    decide = scaled(command("decide", _decide, "give more seeds to the cells where they decide most"), False)
    decide.add_argument(
        "--budget", required=True, metavar="TIME", help="CPU time to spend, such as 90s, 60min or 2h"
    )
    decide.add_argument("--dry-run", action="store_true", help="only print the table")
    decide.add_argument(
        "--rewrite", action="store_true", help="also where config/more.yaml was edited by hand"
    )
    collect = command(
        "gc", _gc, "remove files that no sheet reaches at any scale, and pilots; not during a run"
    )
    collect.add_argument("--dry-run", action="store_true", help="only list them")
    collect.add_argument(
        "--scratch", action="store_true", help="instead: weights and shifted data that no stage to come reads"
    )
    command("pull", _pull, "add the published evidence to what is here; overwrites and deletes nothing")
    restore = command("restore", _restore, "put the published content of one data file back")
    restore.add_argument("file", help="as data/catalogue.csv names it; what lies there is set aside")
    publish = command("publish", _publish, "version all evidence here with DVC and push it")
    publish.add_argument("--prune", action="store_true", help="leave out what no sheet reaches any more")
    new = command("new-study", _new_study, "write a new study that runs as it is, to fill with science")
    new.add_argument("name", help="of the study: lower case letters and digits")
    new.add_argument("--paper", help="slug of its paper (default: NAME-paper)")
    new.add_argument("--title", default="Title of the paper", help="of the paper")
    new.add_argument("--citation", default="Authors, title, venue and year", help="of the paper")
    new.add_argument("--asks", default="What does this study ask?", help="the study's question, one sentence")
    verify = command("verify", _verify, "say whether a network (ONNX) can break a property (VNN-LIB)")
    verify.add_argument("network", metavar="NET.onnx", type=Path)
    verify.add_argument("property", metavar="PROPERTY.vnnlib", type=Path)
    verify.add_argument("--seconds", type=float, default=300.0, help="time on the wall (default 300)")
    model = command(
        "audit-model", _audit_model, "attack a model's answers: what does it tell of its members?"
    )
    model.add_argument("data", metavar="FILE.npz", type=Path, help="logits, or inputs with --model")
    model.add_argument(
        "--model", type=Path, metavar="NET", help="saved by torch.export (.pt2) or TorchScript"
    )
    model.add_argument(
        "--reference",
        type=Path,
        metavar="NET",
        action="append",
        default=[],
        help="trained alike on none of the examples; again for more",
    )
    model.add_argument("--out", type=Path, default=Path("audit.html"), help="the page (default audit.html)")
    model.add_argument("--level", type=float, default=0.95, help="of intervals and bounds (default 0.95)")
    model.add_argument("--delta", type=float, default=1e-5, help="of the bound on epsilon (default 1e-5)")
    data = command("data", _data_add, "add a data set of your own to data/own/ and the catalogue")
    add = data.add_subparsers(required=True, metavar="add").add_parser("add", help="check it, and add it")
    add.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help=".npz (x, y), .csv, or a folder with a folder of images a class",
    )
    add.add_argument("--name", required=True, help="by which sheets name it")
    add.add_argument("--licence", required=True, help="under which it may be used")
    add.add_argument("--source", required=True, help="where it is from")
    add.add_argument("--version", default="1", help="of the data (default 1)")
    add.add_argument("--label", default="label", help="a CSV's column with the class (default label)")
    add.add_argument("--shape", metavar="HxWxC", help="of a CSV's other columns (default 1 x columns x 1)")
    crate = scaled(command("crate", _crate, "write a finished run as an RO-Crate, a folder or a ZIP"))
    crate.add_argument("out", type=Path, metavar="OUT", help="a new folder, or a new file that ends in .zip")
    schemas = command("schemas", _schemas, "check that schemas and default config fit the models")
    schemas.add_argument("--fix", action="store_true", help="write them")
    return parser


def _version() -> str:
    try:
        return version("retrace")
    except PackageNotFoundError:
        return "(not installed: pip install -e .)"


def _root() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "config" / "studies").is_dir():
            _say_whose(folder / "src" / "retrace")
            return folder
    raise RetraceError("no Retrace checkout here: change into the folder that holds config/studies")


def _say_whose(own: Path) -> None:
    """Say so where the code that runs is not the checkout's: it knows other keys, studies and settings."""
    runs = Path(__file__).resolve().parent
    if own.is_dir() and runs != own.resolve():
        hint = "the checkout's own: python3 envs/run.py retrace"
        print(f"retrace: runs the code of {runs}, not of {own}; {hint}", file=sys.stderr)


def _config(root: Path, arguments: argparse.Namespace | None = None) -> Config:
    from retrace.config import load_config

    raw = read_yaml(root / "config/config.yaml", "config/config.yaml") or {}
    asked = {key: getattr(arguments, key, None) for key in ("scale", "seeds", "pilot")}
    return load_config({**raw, **{key: value for key, value in asked.items() if value is not None}})


def _verdicts(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.planning.workflow import Workflow
    from retrace.upkeep.standing import elsewhere

    flow = Workflow.plan(_config(root, arguments), root)
    print(flow.verdict_table(arguments.papers))
    for line in elsewhere(flow, arguments.papers):
        print(f"retrace: {line}", file=sys.stderr)


def _index(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.upkeep import index

    rows = index.lines(_config(root, arguments), root)
    print(index.text(rows))
    index.write(rows, root)


def _audit(arguments: argparse.Namespace, root: Path) -> int:
    from retrace.planning.products import home
    from retrace.upkeep import audit, beside

    if arguments.beside:
        here = root / home(_config(root, arguments).edition) / "verdicts"
        print(beside.told(beside.paired(here, arguments.beside)))
        return 0
    return audit.run(_config(root, arguments), root, arguments.k, arguments.seed)


def _cost(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.upkeep import cost

    config = _config(root, arguments)
    only = {"studies": arguments.studies} if arguments.studies else {}
    print(cost.text(config.model_copy(update=only), root))


def _reach(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.upkeep import reach

    print(reach.text(_config(root, arguments), root, arguments.files))


def _power(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.upkeep import power

    print(power.report(_config(root, arguments), root, arguments.papers, arguments.csv))


def _decide(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.upkeep import decide

    config, seconds = _config(root, arguments), decide.cpu_seconds(arguments.budget)
    print(decide.run(config, root, seconds, arguments.dry_run, arguments.rewrite))


def _gc(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.records import store
    from retrace.upkeep import index

    if not arguments.dry_run:
        _refuse_during_a_run(root)
    config = _config(root)
    if arguments.scratch:
        files = index.spent(config, root)
    else:
        files = store.unreached(root, index.reached(config, root))
    for path in files:
        print(path.relative_to(root))
        if not arguments.dry_run:
            path.unlink()
    print(f"{'would remove' if arguments.dry_run else 'removed'} {len(files)} files", file=sys.stderr)


def _refuse_during_a_run(root: Path) -> None:
    """A run that works with another configuration needs files that no sheet seems to reach."""
    if any((root / ".snakemake" / "locks").glob("*")):
        raise RetraceError("a run is at work here: wait for it, or after a kill run: snakemake --unlock")


def _pull(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.records import store

    added, kept = store.pull(root)
    print(f"evidence: {added} files added, {kept} were here already (left as they were)")


def _restore(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.records import store

    aside = store.restore(root, arguments.file)
    print(f"{arguments.file}: as published" + (f" (what lay there is kept as {aside.name})" if aside else ""))


def _publish(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.records import store
    from retrace.upkeep import index

    keep = None
    if arguments.prune:
        _refuse_during_a_run(root)
        keep = index.reached(_config(root), root)
    print(
        f"evidence: {store.publish(root, keep)} files published; commit evidence.dvc and the store with git"
    )


def _crate(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.upkeep import crate

    claims = crate.write(_config(root, arguments), root, arguments.out, date.today().isoformat())
    print(f"{arguments.out}: {claims} claims, with evidence, figures, data sets and the workflow")


def _schemas(arguments: argparse.Namespace, root: Path) -> int:
    from retrace.reference import schemas

    stale = schemas.drift(root, fix=arguments.fix)
    for path in stale:
        print(f"{'wrote' if arguments.fix else 'differs from the models:'} {path}")
    return int(bool(stale) and not arguments.fix)


def _new_study(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.skeleton.write import new_study

    paper = arguments.paper or f"{arguments.name}-paper"
    words = {name: getattr(arguments, name) for name in ("title", "citation", "asks")}
    for path in new_study(root, arguments.name, paper, words):
        print(path)
    print(f"now: snakemake {arguments.name} --config scale=smoke; docs/add-a-paper.md says what goes where")


def _verify(arguments: argparse.Namespace, root: Path) -> None:
    try:
        from retrace.verify.foreign import competition
    except ModuleNotFoundError:
        raise RetraceError("verify needs torch and onnx: pip install 'retrace[onnx]'") from None

    print(competition.answer(arguments.network, arguments.property, arguments.seconds))


def _audit_model(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.auditing import command

    told = command.run(
        arguments.data,
        arguments.out,
        model=arguments.model,
        references=arguments.reference,
        level=arguments.level,
        delta=arguments.delta,
    )
    print(told)


def _data_add(arguments: argparse.Namespace, root: Path) -> None:
    from retrace.data import add

    row = add.add(
        root,
        arguments.file,
        arguments.name,
        arguments.licence,
        arguments.source,
        version=arguments.version,
        label=arguments.label,
        shape=add.shape_of(arguments.shape) if arguments.shape else None,
    )
    sides = "x".join(map(str, row.shape))
    print(f"{row.file}: {row.rows} rows of {sides}, {row.classes} classes; a sheet says dataset: {row.name}")
