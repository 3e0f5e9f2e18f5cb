// The interactive view of a graph. All words from the catalog are set as text, never as markup;
// the drawing is the library's own SVG, whose words are escaped already.

const LEAST = 0.1;
const MOST = 8;
const STEP = 1.25;
const NAMED = 12; // neighbours among the facts of a node
const CLICK = 4; // pixels that a hand may shake

function make(tag, { text = "", ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function parseDrawing(source) {
  const parsed = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
  return document.importNode(parsed, true);
}

function makeView(stage, drawing) {
  const [, , across, tall] = drawing.getAttribute("viewBox").split(" ").map(Number);
  drawing.removeAttribute("style");
  const view = { x: 0, y: 0, scale: 1 };
  function show() {
    drawing.style.transform = `translate(${view.x}px,${view.y}px) scale(${view.scale})`;
  }
  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const scale = Math.min(MOST, Math.max(LEAST, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    show();
  }
  function move(x, y) {
    view.x += x;
    view.y += y;
    show();
  }
  function fit() {
    const room = Math.min(stage.clientWidth / across, stage.clientHeight / tall);
    view.scale = Math.min(1, Math.max(LEAST, room || 1));
    view.x = Math.max(0, (stage.clientWidth - across * view.scale) / 2);
    view.y = Math.max(0, (stage.clientHeight - tall * view.scale) / 2);
    show();
  }
  return { zoom, move, fit };
}

function holdStage(stage, view, onEmptyClick) {
  let held = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("button")) return;
    held = { x: event.clientX, y: event.clientY, moved: false };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [x, y] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(x, y) < CLICK) return;
    if (!held.moved) stage.setPointerCapture(event.pointerId);
    held = { x: event.clientX, y: event.clientY, moved: true };
    stage.classList.add("rc-held");
    view.move(x, y);
  });
  const release = (event) => {
    if (event.type === "pointerup" && held && !held.moved) {
      const node = event.target.closest(".rc-node");
      onEmptyClick(node ? node.dataset.place : null);
    }
    held = null;
    stage.classList.remove("rc-held");
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  // A plain wheel goes on scrolling the page; a pinch arrives as a wheel with Ctrl.
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const frame = stage.getBoundingClientRect();
      const factor = Math.exp(-event.deltaY / 300);
      view.zoom(factor, event.clientX - frame.left, event.clientY - frame.top);
    },
    { passive: false },
  );
}

function keyHandler(view, choose) {
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  return (event) => {
    const node = event.target.closest(".rc-node");
    if (node && (event.key === "Enter" || event.key === " ")) choose(node.dataset.place);
    else if (event.key === "+") view.zoom(STEP);
    else if (event.key === "-") view.zoom(1 / STEP);
    else if (event.key === "0") view.fit();
    else if (event.key === "Escape") choose(null);
    else if (event.key in moves) view.move(...moves[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

function describe(panel, model) {
  const nodes = model.get("nodes");
  const node = nodes.find((one) => one.id === model.get("selected"));
  if (!node) {
    const hint = "Click a node to see what is known of it. Drag to move, Ctrl and wheel to zoom.";
    panel.replaceChildren(make("p", { text: [model.get("note"), hint].filter(Boolean).join(" · ") }));
    return;
  }
  const titles = new Map(nodes.map((one) => [one.id, one.title]));
  const named = (edges, end) => {
    const words = edges.map((one) => [one.label, titles.get(one[end])].filter(Boolean).join(": "));
    const more = words.length > NAMED ? [`and ${words.length - NAMED} more`] : [];
    return [...words.slice(0, NAMED), ...more].join(", ");
  };
  const edges = model.get("edges");
  const [before, after] = node.kind === "run" ? ["read", "made"] : ["made by", "read by"];
  const facts = [
    ["state", node.state === "focus" ? "" : node.state], // how it is drawn, and no news of it
    ["about", node.detail],
    [node.kind === "run" ? "task" : "type", node.group],
    [before, named(edges.filter((one) => one.target === node.id), "source")],
    [after, named(edges.filter((one) => one.source === node.id), "target")],
    ["id", /^[ -~]+$/.test(node.id) ? node.id : ""],
  ];
  const list = make("dl");
  for (const [name, value] of facts) {
    if (value) list.append(make("dt", { text: name }), make("dd", { text: value }));
  }
  panel.replaceChildren(make("b", { text: node.title }), list);
}

function button(sign, title, action) {
  const made = make("button", { text: sign, title, "aria-label": title, type: "button" });
  made.addEventListener("click", action);
  return made;
}

function render({ model, el }) {
  const stage = make("div", { class: "rc-stage", tabindex: "0" });
  const panel = make("div", { class: "rc-facts", "aria-live": "polite" });
  const root = make("div", { class: "rc-widget" }, stage, panel);
  el.replaceChildren(root);
  let view;
  const choose = (place) => {
    model.set("selected", place === null ? "" : model.get("nodes")[Number(place)].id);
    model.save_changes();
  };
  const zoom = (factor) => () => view.zoom(factor);
  const tools = make(
    "div",
    { class: "rc-tools" },
    button("+", "Zoom in", zoom(STEP)),
    button("−", "Zoom out", zoom(1 / STEP)),
    button("fit", "Show all of it", () => view.fit()),
  );
  const handlers = { zoom: (...a) => view.zoom(...a), move: (...a) => view.move(...a), fit: () => view.fit() };
  holdStage(stage, handlers, choose);
  stage.addEventListener("keydown", keyHandler(handlers, choose));

  function mark() {
    const chosen = model.get("selected");
    const nodes = model.get("nodes");
    for (const node of stage.querySelectorAll(".rc-node")) {
      node.classList.toggle("rc-chosen", nodes[Number(node.dataset.place)]?.id === chosen);
    }
    describe(panel, model);
  }
  function draw() {
    const drawing = parseDrawing(model.get("drawing"));
    stage.replaceChildren(drawing, tools);
    const nodes = model.get("nodes");
    drawing.querySelectorAll(":scope > g > g").forEach((node, place) => {
      if (place >= nodes.length) return;
      node.classList.add("rc-node");
      node.dataset.place = place;
      node.setAttribute("tabindex", "0");
      node.setAttribute("role", "button");
      node.setAttribute("aria-label", nodes[place].title);
    });
    view = makeView(stage, drawing);
    size();
    mark();
  }
  function size() {
    const tall = Number(stage.querySelector("svg").getAttribute("height"));
    stage.style.height = `${Math.min(model.get("height"), Math.max(120, tall))}px`;
    view.fit();
  }
  draw();
  const watched = [
    ["change:drawing", draw],
    ["change:selected", mark],
    ["change:height", size],
  ];
  for (const [event, action] of watched) model.on(event, action);
  // A notebook may lay out a cell after it was drawn.
  let wide = stage.clientWidth;
  const watcher = new ResizeObserver(() => {
    if (wide === 0 && stage.clientWidth > 0) view.fit();
    wide = stage.clientWidth;
  });
  watcher.observe(stage);
  return () => {
    watcher.disconnect();
    for (const [event, action] of watched) model.off(event, action);
  };
}

export default { render };
