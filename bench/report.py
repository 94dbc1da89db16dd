"""Writes the figures of the last run into docs/benchmarks.md, and its plots beside it.

    python3 bench/report.py build/bench

What stands between `<!-- results: WHAT -->` and `<!-- end of results -->` is replaced. WHAT is `run`,
`aims`, a case, or a case and `servers`.
"""

import json
import pathlib
import re
import sys

import aims
import plot
import table

SOURCE = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = SOURCE / "docs/benchmarks.md"
PLOTS = SOURCE / "docs/bench"
PART = re.compile(r"(<!-- results: ([\w. ]+?) -->\n).*?(<!-- end of results -->)", re.DOTALL)
MAIN = "redis"  # whose tables are shown in full


def about_the_run(about):
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [f"A {about['mode']} run of {about['date']}, dlock {about['dlock']}: medians of "
             f"{about['rounds']} rounds, {about['minutes']} minutes.", "",
             f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB; "
             f"{about['system']}, Linux {about['kernel']}; {', '.join(about['servers'].values())}. "
             f"Peers: {versions}.", "",
             f"Placement: {about['placement']}. Other processes used {about['others_percent']} % of the "
             "cores during the runs.", ""]
    if about["missing"]:
        lines += ["Missing:", ""]
        lines += [f"- {name}: {why}" for name, why in about["missing"].items()] + [""]
    if about["notes"]:
        lines += ["Noted during the run:", ""] + [f"- {note}" for note in about["notes"]] + [""]
    return "\n".join(lines)


def part(what, rows, about):
    if what == "run":
        return about_the_run(about)
    case, _, servers = what.partition(" ")
    tables = ([aims.table_of(rows)] if what == "aims" else
              table.comparisons_of(case, rows) if servers else
              table.tables_of(case, table.on(MAIN, rows)))
    text = table.as_markdown(case, tables)
    return text + "\n" if text else "This run did not measure it.\n"


def main(build):
    rows = json.loads((build / "results.json").read_text())
    about = json.loads((build / "run.json").read_text())
    text = PART.sub(lambda found: f"{found[1]}\n{part(found[2], rows, about)}\n{found[3]}",
                    DOCUMENT.read_text())
    DOCUMENT.write_text(re.sub(r"\n{3,}", "\n\n", text))
    PLOTS.mkdir(exist_ok=True)
    for path in plot.draw_all(rows, PLOTS):
        print(f"bench: drawn: {path.relative_to(SOURCE)}", file=sys.stderr)
    print(f"bench: written: {DOCUMENT.relative_to(SOURCE)}", file=sys.stderr)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
