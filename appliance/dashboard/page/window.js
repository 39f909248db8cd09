"use strict";

const screen_ = document.getElementById("screen");
const state = document.getElementById("state");
const NAMES = {
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  PageUp: "pageup", PageDown: "pagedown", Home: "home", End: "end",
  Enter: "enter", Escape: "escape", Tab: "tab",
};
const SILENT_MS = 10000, SETTLED_MS = 300;
const LINES_BELOW = 7;
let heardMs = 0;
let source, size, settling;

function word(place, text, width, style) {
  const span = document.createElement("span");
  span.textContent = text;
  span.style.left = place + "ch";
  span.style.width = width + "ch";
  span.style.color = style.color;
  span.style.background = style.ground;
  span.style.fontWeight = style.bold ? "bold" : "normal";
  span.style.fontStyle = style.italic ? "italic" : "normal";
  span.style.textDecoration = style.underline ? "underline" : "none";
  return span;
}

function draw(frame) {
  screen_.style.width = frame.width + "ch";
  screen_.style.background = frame.ground;
  screen_.replaceChildren(...frame.rows.map((row) => {
    const line = document.createElement("div");
    let place = 0;
    for (const [text, width, style] of row) {
      line.append(word(place, text, width, frame.styles[style]));
      place += width;
    }
    return line;
  }));
}

function say(text, old) {
  state.textContent = text;
  state.className = screen_.className = old ? "old" : "";
}

function heard() {
  heardMs = performance.now();
  say("live", false);
}

function fitting() {
  const probe = document.createElement("div");
  probe.style.width = "100ch";
  screen_.append(probe);
  const cell = probe.getBoundingClientRect();
  probe.remove();
  const columns = Math.floor(document.body.clientWidth / (cell.width / 100));
  const lines = Math.floor(window.innerHeight / cell.height) - LINES_BELOW;
  return `${Math.max(columns, 1)}x${Math.max(lines, 1)}`;
}

function listen() {
  size = fitting();
  source = new EventSource("/events?size=" + size);
  source.addEventListener("frame", (event) => { draw(JSON.parse(event.data)); heard(); });
  source.addEventListener("alive", heard);
  source.onerror = () => say("NO CONNECTION: what is shown is OLD", true);
}

function listenAnew() {
  if (fitting() === size) return;
  source.close();
  listen();
}

listen();
window.addEventListener("resize", () => {
  clearTimeout(settling);
  settling = setTimeout(listenAnew, SETTLED_MS);
});
setInterval(() => {
  if (performance.now() - heardMs > SILENT_MS) {
    say("NOTHING IS HEARD: what is shown is OLD", true);
  }
}, 1000);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const key = NAMES[event.key] || (event.key.length === 1 ? event.key : null);
  if (key === null) return;
  event.preventDefault();
  fetch("/key", { method: "POST", body: key }).catch(() => {});
});
