"""The script of the page, run on a small stand-in for a browser's document."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files

import pytest

NODE = shutil.which("node")
BROWSER = """
class Element {
  constructor() { this.style = {}; this.children = []; this.textContent = ""; }
  append(child) { this.children.push(child); }
  remove() { elements.screen.children.pop(); }
  getBoundingClientRect() { return { width: 900, height: 20 }; }
  replaceChildren(...children) { this.children = children; }
}
const elements = { screen: new Element(), state: new Element() };
const listeners = {}, posted = [], timers = [], later = [], closed = [];
let nowMs = 0, stream;
globalThis.window = {
  innerHeight: 1000, addEventListener: (name, work) => { listeners[name] = work; },
};
globalThis.setTimeout = (work) => later.push(work);
globalThis.clearTimeout = () => {};
globalThis.document = {
  body: { clientWidth: 1000 },
  getElementById: (name) => elements[name],
  createElement: () => new Element(),
  addEventListener: (name, work) => { listeners[name] = work; },
};
globalThis.EventSource = class {
  constructor(path) { this.path = path; this.on = {}; stream = this; }
  addEventListener(name, work) { this.on[name] = work; }
  close() { closed.push(this.path); }
};
globalThis.fetch = (path, asked) => {
  posted.push([path, asked.method, asked.body]); return Promise.resolve();
};
globalThis.setInterval = (work) => timers.push(work);
Object.defineProperty(globalThis, "performance", { value: { now: () => nowMs } });
"""
STORY = """
const told = {};
stream.on.frame({ data: JSON.stringify(FRAME) });
told.path = stream.path;
told.words = elements.screen.children.map((line) =>
  line.children.map((span) => [span.textContent, span.style.left, span.style.color]));
told.live = elements.state.textContent;
nowMs = 11000; timers.forEach((work) => work());
told.silent = [elements.state.textContent, elements.screen.className];
stream.on.alive({});
told.again = [elements.state.textContent, elements.screen.className];
stream.onerror();
told.lost = elements.state.textContent;
for (const key of ["3", "ArrowDown", "Escape", "Shift", "F5"]) {
  listeners.keydown({ key, preventDefault() {} });
}
listeners.keydown({ key: "c", ctrlKey: true, preventDefault() {} });
told.posted = posted;
listeners.resize(); later.pop()();
told.unchanged = closed.length;
document.body.clientWidth = 730; listeners.resize(); later.pop()();
told.resized = [stream.path, closed];
stream.on.alive({});
told.after = elements.state.textContent;
console.log(JSON.stringify(told));
"""
FRAME = {
    "width": 80,
    "height": 24,
    "ground": "#1c1c1c",
    "rows": [[["<b>泵</b>", 9, 0], [" [P-101]", 8, 1]]],
    "styles": [
        {"color": "#ffffff", "ground": "#c01818", "bold": True},
        {"color": "#c8c8c8", "ground": "#1c1c1c"},
    ],
}


@pytest.mark.skipif(NODE is None, reason="no node on this machine")
def test_the_script_draws_literally_and_says_when_what_it_shows_is_old() -> None:
    page = files("appliance.dashboard").joinpath("page", "window.js")
    script = f"{BROWSER}\n{page.read_text('utf-8')}\nconst FRAME = {json.dumps(FRAME)};"
    assert NODE is not None
    done = subprocess.run(
        [NODE, "-"], input=script + STORY, capture_output=True, text=True,
        timeout=50, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert told["path"] == "/events?size=111x43"
    assert told["words"] == [
        [["<b>泵</b>", "0ch", "#ffffff"], [" [P-101]", "9ch", "#c8c8c8"]]
    ]
    assert told["live"] == "live"
    assert told["silent"] == ["NOTHING IS HEARD: what is shown is OLD", "old"]
    assert told["again"] == ["live", ""]
    assert told["lost"].startswith("NO CONNECTION")
    assert told["posted"] == [
        ["/key", "POST", "3"], ["/key", "POST", "down"], ["/key", "POST", "escape"],
    ]  # fmt: skip
    assert told["unchanged"] == 0
    assert told["resized"] == ["/events?size=81x43", ["/events?size=111x43"]]
    assert told["after"] == "live"
