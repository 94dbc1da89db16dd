"""Makes docs/images/top*.svg and serve*.png: dlock top and the page of dlock serve, beside real contention.

The programs run on three made-up hosts, each a namespace with a name of its own.
"""

import base64
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
sys.path[:0] = [str(SOURCE / part) for part in ("tests/support", "tests/cli", "tests/docs")]

import browser  # noqa: E402
from cli_case import DLOCK, PATIENCE, Running, clean_environment  # noqa: E402
from eventually import eventually  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from top_test import Screen  # noqa: E402

IMAGES = SOURCE / "docs/images"
NAMESPACE = ["unshare", "--uts"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--uts"]
LOOP = 'while :; do "$0" run --label "$1" counter -- sleep 0.2 || exit; done'
WIDTH = 1000  # of the page
SECONDS_OF_HISTORY = 60  # so that the page has something to draw

COLUMNS, ROWS, CELL, LINE, MARGIN = 92, 14, 8.4, 18, 14
STYLE = """
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #24292f; white-space: pre }
  .ground { fill: #ffffff; stroke: #d0d7de } .block { fill: #24292f }
  .strong { font-weight: 700 } .line { text-decoration: underline } .faint { opacity: .6 }
  .alarm { font-weight: 700; fill: #cf222e } .selected { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .ground { fill: #0d1117; stroke: #3d444d } .block { fill: #e6edf3 }
    .alarm { fill: #ff7b72 } .selected { fill: #0d1117 }
  }
"""
CLASSES = {"1": "strong", "1;4": "strong line", "7": "selected", "2": "faint", "1;31": "alarm", "0": "", "": ""}


class StyledScreen(Screen):
    """A terminal that knows the style of each line; dlock top styles whole lines."""

    def __init__(self, *arguments, **size):
        self.style, self.styles = "", {}
        super().__init__(*arguments, **size)

    def _draw(self, found):
        parameters, command = found.groups()
        if command == "m":
            self.style = CLASSES[parameters]
        elif not found.group().startswith("\x1b") and found.group() not in "\r\n" and self.column == 0:
            self.styles[self.row] = self.style
        super()._draw(found)

    def svg(self, title):
        width, height = COLUMNS * CELL + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" '
                 f'height="{height}" role="img" aria-labelledby="title">',
                 f'<title id="title">{html.escape(title)}</title>', f"<style>{STYLE}</style>",
                 f'<rect class="ground" x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1}" rx="6"/>']
        for row in range(ROWS):
            line, style = self.lines.get(row, "").rstrip(), self.styles.get(row, "")
            top = MARGIN + row * LINE
            if style == "selected":
                parts.append(f'<rect class="block" x="{MARGIN}" y="{top}" width="{COLUMNS * CELL:.1f}" '
                             f'height="{LINE}"/>')
            # Words stand in their columns, whatever font the reader has.
            for word in re.finditer(r"\S+(?: \S+)*", line):
                parts.append(f'<text class="{style}" x="{MARGIN + word.start() * CELL:.1f}" y="{top + 14}" '
                             f'textLength="{len(word.group()) * CELL:.1f}" lengthAdjust="spacingAndGlyphs">'
                             f"{html.escape(word.group())}</text>".replace(' class=""', ""))
        return "\n".join([*parts, "</svg>"]) + "\n"


class Scene:
    """Programs that hold locks and wait for them, until it is closed."""

    def __init__(self):
        self.server = RedisServer()
        self.environment = clean_environment(DLOCK_URL=self.server.url)
        self.programs = []

    def start(self, host, *command):
        """Starts a command on a host."""
        wrapped = [*NAMESPACE, "sh", "-c", 'hostname "$0" && exec "$@"', host, *command]
        self.programs.append(Running(wrapped, env=self.environment))
        return self.programs[-1]

    def hold(self, host, name, label, *options):
        self.start(host, DLOCK, "run", "--label", label, *options, name, "--", "sh", "-c", "echo ready; cat").expect(
            "ready")

    def wait(self, host, name, label, *options):
        count = self.waiters(name) + 1
        self.start(host, DLOCK, "run", "--label", label, *options, name, "--", "cat")
        if not eventually(lambda: self.waiters(name) == count, PATIENCE):
            raise RuntimeError(f"{label} does not wait for {name}")

    def waiters(self, name):
        info = subprocess.run([DLOCK, "info", "--json", name], env=self.environment, stdout=subprocess.PIPE)
        return len(json.loads(info.stdout)["waiters"])

    def play(self):
        self.hold("job1", "report:nightly", "report")
        self.hold("web1", "catalog", "search", "--shared")
        self.hold("web2", "catalog", "search", "--shared")
        self.hold("gpu1", "gpu", "training", "--permits", "2")
        self.hold("web2", "stock:7", "warehouse")
        # The holder of order:4711 waits for stock:7, so those behind it wait for the warehouse too.
        self.start("web1", DLOCK, "run", "--label", "checkout", "order:4711", "--", DLOCK, "run", "--label",
                   "checkout", "stock:7", "--", "cat")
        if not eventually(lambda: self.waiters("stock:7") == 1, PATIENCE):
            raise RuntimeError("the checkout does not wait")
        for host, label in (("web2", "invoice"), ("web1", "refund"), ("job1", "export")):
            self.wait(host, "order:4711", label)
        self.wait("web1", "catalog", "import", "--exclusive")
        for host in ("web1", "web2", "job1"):
            self.start(host, "sh", "-c", LOOP, DLOCK, "visits")
        for host in ("web1", "web2"):
            self.start(host, DLOCK, "elect", "--label", "site", "web", "--value", f"{host}:8080", "--", "cat")
        self.start("job1", DLOCK, "latch", "--count", "3", "migrated")
        self.start("gpu1", DLOCK, "barrier", "--parties", "4", "epoch")

    def close(self):
        for program in self.programs:
            program.dispose()
        self.server.close()


def draw_top(scene):
    screen = StyledScreen([DLOCK, "top"], {**scene.environment, "TERM": "xterm"}, columns=COLUMNS, rows=ROWS)
    try:
        screen.expect(r"counter .* [2-9]\.\d\s*\n")
        (IMAGES / "top.svg").write_text(screen.svg("dlock top: locks with their holders, queues and waits"))
        screen.type("/order\r")
        screen.expect("filter 'order': 1")
        screen.type("\r")
        screen.expect(r"(?s)order:4711: held.*\(invoice\).*\(refund\).*\(export\)")
        (IMAGES / "top-lock.svg").write_text(screen.svg("dlock top: one lock with its holder and its queue"))
        screen.type("q")
        screen.wait()
    finally:
        screen.dispose()


def draw_page(scene, page, url):
    def save(name, first, last):
        """Takes a picture of the page from the part with one element to the part with another."""
        top, bottom = page.evaluate(f"""(() => {{
            const place = (selector) => document.querySelector(selector)
                .closest('header, section, details').getBoundingClientRect();
            return [place('{first}').top + scrollY - 16, place('{last}').bottom + scrollY + 16];
        }})()""")
        clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top, "scale": 1}
        data = page.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
        (IMAGES / name).write_bytes(base64.b64decode(data))

    def expect(selector, pattern):
        def text():
            return page.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        if not eventually(lambda: re.search(pattern, text().replace("\u00a0", " ")), PATIENCE):
            raise RuntimeError(f"no {pattern} in {selector}: {text()}")

    page.resize(WIDTH, 900)
    page.call("Emulation.setScrollbarsHidden", hidden=True)
    page.prefer("light")
    page.open(url)
    expect("#state", "live")
    expect("#locks tbody", "order:4711")
    expect("#blocks", r"\(warehouse\) blocks [45]")
    page.evaluate("document.querySelector('#others').open = true")
    expect("#others", r"(?s)web\d:8080.*migrated.*epoch")
    save("serve.png", "header", "#locks")
    save("serve-blocks.png", "#blocks", "#others")
    page.prefer("dark")
    page.evaluate("""[...document.querySelectorAll('#locks button')]
        .find((button) => button.innerText.includes('order:4711')).click()""")
    expect("#detail", r"(?s)Queue.*export")
    save("serve-lock.png", "#detail", "#detail")


def main():
    scene = Scene()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        try:
            serve = Running([DLOCK, "serve", "--listen", "127.0.0.1:0"], env=scene.environment)
            scene.programs.append(serve)
            serve.expect("serving ")
            scene.play()
            print(f"pictures: the programs wait for {SECONDS_OF_HISTORY} s, so that the page has a history")
            time.sleep(SECONDS_OF_HISTORY)
            draw_top(scene)
            page = browser.Browser(profile)
            try:
                draw_page(scene, page, re.search(r"http://\S+", serve.stdout).group())
            finally:
                page.close()
        finally:
            scene.close()
    for file in sorted([*IMAGES.glob("top*.svg"), *IMAGES.glob("serve*.png")]):
        print(f"pictures: {file.relative_to(SOURCE)}, {file.stat().st_size // 1024} KB")


if __name__ == "__main__":
    if not browser.PROGRAM:
        sys.exit("pictures: Chromium is missing: install chromium")
    main()
