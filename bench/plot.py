"""Plots as SVG: bars, one colour for dlock, one for the floors, one for the peers."""

import html
import math

import table

CHARTS = [  # file, title, case, metric, sizes
    ("uncontended", "A. Acquire and release, no contention: p50, us", "A", "p50_us", (1,)),
    ("throughput", "B. Pairs per second, one process, distinct names", "B", "pairs_per_s",
     (1, 8, 64, 1000)),
    ("handoffs", "C. Hand-offs between processes per second", "C", "handoffs_per_s", (2, 8, 32)),
    ("gap", "C. From a release to the next owner's start: p99, us", "C", "gap_p99_us", (2, 8, 32)),
]
WIDTH, LABEL, VALUE, BAR, GAP = 720, 150, 70, 13, 3
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 14px }
  .small { fill: #6e7781 }
  .rounds { fill: #24292f }
  .dlock { fill: #0969da } .floor { fill: #afb8c1 } .peer { fill: #d4a72c }
  @media (prefers-color-scheme: dark) {
    text, .rounds { fill: #e6edf3 } .small { fill: #9198a1 }
  }
"""


def kind_of(subject):
    return "dlock" if subject.startswith("dlock") else \
        "floor" if subject.startswith("floor") or subject == "true" else "peer"


def label_of(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(rows, title, case, metric, sizes):
    """The SVG's text, of the first server; None when there is nothing to show."""
    rows = table.on(rows[0]["server"], rows) if rows else []
    groups = []
    for size in sizes:
        bars = [row for row in rows
                if (row["case"], row["metric"], row["workers"]) == (case, metric, size)]
        if bars:
            groups.append((size, sorted(bars, key=lambda row: -row["median"])))
    if not groups:
        return None
    values = [row[end] for _, bars in groups for row in bars for end in ("min", "max") if row[end] > 0]
    top, low = max(values, default=1), min(values, default=1)
    room = WIDTH - LABEL - VALUE

    def length(value):
        if value <= 0:
            return 1
        floor = 10 ** math.floor(math.log10(low) - 0.01)
        return max(1, room * math.log(value / floor) / math.log(top / floor))

    parts, y = [f'<text class="title" x="8" y="20">{html.escape(title)}</text>'], 30
    for size, bars in groups:
        if len(groups) > 1:
            y += 18
            parts.append(f'<text x="8" y="{y}">{size} worker{"s" if size != 1 else ""}</text>')
            y += 5
        for row in bars:
            y += BAR + GAP
            wide, low_end, high_end = (length(row[end]) for end in ("median", "min", "max"))
            parts.append(f'<text x="{LABEL - 6}" y="{y - 2}" text-anchor="end">{row["subject"]}</text>'
                         f'<rect class="{kind_of(row["subject"])}" x="{LABEL}" y="{y - BAR}" '
                         f'width="{wide:.1f}" height="{BAR}"/>'
                         f'<rect class="rounds" x="{LABEL + low_end:.1f}" y="{y - BAR / 2 - 1:.1f}" '
                         f'width="{high_end - low_end:.1f}" height="2"/>'
                         f'<text class="small" x="{LABEL + max(wide, high_end) + 5:.1f}" y="{y - 2}">'
                         f'{label_of(row["median"])}</text>')
        y += 8
    y += 12
    parts.append(f'<text class="small" x="{LABEL}" y="{y}">logarithmic scale; lines: the rounds</text>')
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10}" '
            f'width="{WIDTH}" height="{y + 10}">\n<style>{STYLE}</style>\n{body}\n</svg>\n')


def draw_all(rows, directory):
    """Writes every plot there is something for; returns their paths."""
    drawn = []
    for name, *chart in CHARTS:
        text = draw(rows, *chart)
        if text:
            path = directory / f"{name}.svg"
            path.write_text(text)
            drawn.append(path)
    return drawn
