// The graph of a job as SVG: boxes where the layout puts them, moved and enlarged by mouse, fingers and keys.

const BOX = {width: 200, height: 44}, MARGIN = 28, TOP = 54, LEAST = 0.12, MOST = 2.5, READABLE = 0.62;

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) made.setAttribute(name, value);
  made.append(...children.filter((each) => each != null));
  return made;
}

const measuring = document.createElement("canvas").getContext("2d");
// A text that is too long loses its middle: names of many tasks begin alike, and end in what tells them apart.
function cutTo(text, width, font) {
  measuring.font = font;
  if (measuring.measureText(text).width <= width) return text;
  const cut = (n) => `${text.slice(0, Math.ceil(n * 0.6))}…${text.slice(text.length - Math.floor(n * 0.4))}`;
  let low = 0, high = text.length - 1;
  while (low < high) { const middle = (low + high + 1) >> 1; if (measuring.measureText(cut(middle)).width <= width) low = middle; else high = middle - 1; }
  return cut(low);
}

// `tasks` have key, kind, words and waits, `corners` their places; `onPick` is told the number of a task that is chosen.
function drawGraph(tasks, corners, onPick) {
  const at = tasks.map((_, n) => ({x: corners[2 * n], y: corners[2 * n + 1]}));
  const size = {width: Math.max(...at.map(({x}) => x)) + BOX.width, height: Math.max(...at.map(({y}) => y)) + BOX.height};
  const edges = [], boxes = [], wires = svg("g", {class: "edges"}), nodes = svg("g", {class: "nodes"});
  tasks.forEach((task, to) => task.waits.forEach(([from, outcome]) => {
    const line = edgeOf(at[from], at[to], outcome);
    edges.push({from, to, line});
    wires.append(line);
  }));
  tasks.forEach((task, n) => {
    const box = boxOf(task, at[n], n);
    boxes.push(box);
    nodes.append(box);
  });
  const scene = svg("g", {class: "scene"}, wires, nodes);
  const canvas = svg("svg", {class: "canvas", role: "group", "aria-label": `Graph of ${tasks.length} ${tasks.length === 1 ? "task" : "tasks"}`}, arrows(), scene);
  const box = document.createElement("div");
  box.className = "graph";
  box.style.setProperty("--whole", `${Math.round(size.height + 2 * TOP)}px`);  // a small graph takes no more than it needs
  const view = viewOf(box, canvas, scene, size);
  const graph = {box, canvas, view, size, at, tasks, edges, boxes, onPick, picked: -1};
  box.append(canvas, toolsOf(graph), view.map);
  listenTo(graph);
  return {
    box,
    fit: view.fit,
    pick: (n) => { graph.picked = n; light(graph, n); if (n >= 0) view.show(at[n]); },
  };
}

function arrows() {
  const marker = (id) => svg("marker", {id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto"}, svg("path", {d: "M0 .8 7 4 0 7.2z"}));
  return svg("defs", {}, marker("arrow"), marker("arrow-lit"));
}

function edgeOf(from, to, outcome) {
  const x1 = from.x + BOX.width / 2, y1 = from.y + BOX.height, x2 = to.x + BOX.width / 2, y2 = to.y - 2;
  const bend = Math.max(22, (y2 - y1) / 2);
  const line = svg("g", {class: `edge${outcome ? ` outcome-${outcome}` : ""}`}, svg("path", {d: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`}));
  if (outcome) {
    const x = (x1 + x2) / 2, y = (y1 + y2) / 2;
    line.append(svg("rect", {x: x - 18, y: y - 9, width: 36, height: 18, rx: 9}), svg("text", {x, y: y + 4, "text-anchor": "middle"}, outcome));
  }
  return line;
}

function boxOf(task, {x, y}, n) {
  const font = getComputedStyle(document.body).fontFamily;
  return svg("g", {class: `node kind-${task.kind}`, transform: `translate(${x} ${y})`, tabindex: n ? -1 : 0, role: "button", "data-n": n, "aria-label": `${task.key}, ${task.words}${task.waits.length ? `, waits for ${task.waits.length}` : ""}`},
    svg("title", {}, `${task.key}\n${task.words}`),
    svg("rect", {class: "card", width: BOX.width, height: BOX.height, rx: 9}),
    svg("path", {class: "bar", d: `M9 0H5Q0 0 0 9V${BOX.height - 9}Q0 ${BOX.height} 5 ${BOX.height}H9z`}),
    svg("text", {class: "key", x: 18, y: 19}, cutTo(task.key, BOX.width - 30, `600 12.5px ${font}`)),
    svg("text", {class: "key-far", x: 20, y: 28}, cutTo(task.key, BOX.width - 30, `600 16px ${font}`)),
    svg("text", {class: "words", x: 18, y: 34}, cutTo(task.words, BOX.width - 30, `11px ${font}`)));
}

// What is seen of the scene: a point of it in the upper left corner, and a scale.
function viewOf(box, canvas, scene, size) {
  const view = {x: 0, y: 0, scale: 1};
  const frame = svg("rect", {class: "frame"});
  const spot = svg("g", {class: "spots"});
  view.map = svg("svg", {class: "map", "aria-hidden": "true", viewBox: `0 0 ${size.width} ${size.height}`}, spot, frame);
  view.spot = spot;
  const seen = () => ({width: canvas.clientWidth || 800, height: canvas.clientHeight || 360});
  view.apply = () => {
    const {width, height} = seen();
    scene.setAttribute("transform", `translate(${(-view.x * view.scale).toFixed(2)} ${(-view.y * view.scale).toFixed(2)}) scale(${view.scale.toFixed(4)})`);
    scene.classList.toggle("far", view.scale < 0.74);
    const isAll = size.width * view.scale <= width + 1 && size.height * view.scale <= height + 1;
    view.map.classList.toggle("shown", !isAll);
    for (const [name, value] of Object.entries({x: view.x, y: view.y, width: width / view.scale, height: height / view.scale})) frame.setAttribute(name, value);
  };
  // The whole, where that can be read; else as much as can be read, from the beginning.
  view.fit = (whole = false) => {
    const {width, height} = seen();
    const fitting = Math.min((width - 2 * MARGIN) / size.width, (height - 2 * MARGIN) / size.height, 1);
    view.scale = whole ? Math.max(fitting, LEAST) : Math.max(fitting, Math.min(READABLE, 1));
    view.x = size.width / 2 - width / view.scale / 2;
    view.y = size.height * view.scale <= height - 2 * TOP ? size.height / 2 - height / view.scale / 2 : -TOP / view.scale;
    view.apply();
  };
  view.zoom = (factor, at) => {
    const {width, height} = seen(), [px, py] = at || [width / 2, height / 2];
    const scale = Math.min(MOST, Math.max(LEAST, view.scale * factor));
    view.x += px / view.scale - px / scale;
    view.y += py / view.scale - py / scale;
    view.scale = scale;
    view.apply();
  };
  view.move = (dx, dy) => {
    const {width, height} = seen();
    const within = (value, low, high) => Math.min(Math.max(value, Math.min(low, high)), Math.max(low, high));
    view.x = within(view.x + dx / view.scale, 60 - width / view.scale, size.width - 60);
    view.y = within(view.y + dy / view.scale, 40 - height / view.scale, size.height - 40);
    view.apply();
  };
  view.show = ({x, y}) => {
    const {width, height} = seen(), left = (x - view.x) * view.scale, top = (y - view.y) * view.scale, room = 16;
    const dx = left < room ? left - room : Math.max(0, left + BOX.width * view.scale + room - width);
    const dy = top < room ? top - room : Math.max(0, top + BOX.height * view.scale + room - height);
    if (dx || dy) view.move(dx, dy);
  };
  return view;
}

function toolsOf({box, view, at, tasks}) {
  tasks.forEach((task, n) => view.spot.append(svg("rect", {class: `kind-${task.kind}`, x: at[n].x, y: at[n].y, width: BOX.width, height: BOX.height, rx: 8})));
  const button = (name, text, act) => {
    const made = document.createElement("button");
    Object.assign(made, {type: "button", textContent: text, title: name, onclick: act});
    made.setAttribute("aria-label", name);
    return made;
  };
  const tools = document.createElement("div");
  tools.className = "graph-tools";
  tools.append(
    button("Zoom out (−)", "−", () => view.zoom(1 / 1.3)), button("Zoom in (+)", "+", () => view.zoom(1.3)),
    button("Show all (0)", "Fit", () => view.fit(true)),
    button("Full screen (f)", "⤢", () => { box.classList.toggle("large"); document.body.classList.toggle("has-large", box.classList.contains("large")); view.fit(); }),
  );
  return tools;
}

function light({canvas, edges, boxes}, n) {
  canvas.classList.toggle("lit", n >= 0);
  const near = new Set([n]);
  for (const {from, to, line} of edges) {
    const isNear = from === n || to === n;
    line.classList.toggle("near", isNear);
    if (isNear) near.add(from).add(to);
  }
  boxes.forEach((box, each) => { box.classList.toggle("near", near.has(each)); box.classList.toggle("picked", each === n); });
}

function listenTo(graph) {
  const {canvas, view, boxes} = graph;
  const numberAt = (event) => { const node = event.target.closest?.(".node"); return node ? Number(node.dataset.n) : -1; };
  const pointers = new Map();
  let moved = 0;
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;  // else the page could not be scrolled over it
    event.preventDefault();
    const {left, top} = canvas.getBoundingClientRect();
    view.zoom(Math.exp(-event.deltaY / 240), [event.clientX - left, event.clientY - top]);
  }, {passive: false});
  canvas.addEventListener("pointerdown", (event) => { pointers.set(event.pointerId, event); moved = 0; });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const others = [...pointers.values()].filter((each) => each.pointerId !== event.pointerId);
    if (others.length) pinch(canvas, view, before, event, others[0]);
    else view.move(before.clientX - event.clientX, before.clientY - event.clientY);
    moved += Math.abs(before.clientX - event.clientX) + Math.abs(before.clientY - event.clientY);
    if (moved > 4 && !canvas.hasPointerCapture(event.pointerId)) canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("click", (event) => { if (moved <= 4 && numberAt(event) >= 0) graph.onPick(numberAt(event)); });
  canvas.addEventListener("pointerover", (event) => { if (!pointers.size && numberAt(event) >= 0) light(graph, numberAt(event)); });
  canvas.addEventListener("pointerout", () => { if (!pointers.size) light(graph, graph.picked); });
  canvas.addEventListener("focusin", (event) => { if (numberAt(event) >= 0) { light(graph, numberAt(event)); view.show(graph.at[numberAt(event)]); } });
  canvas.addEventListener("focusout", () => light(graph, graph.picked));
  canvas.addEventListener("keydown", (event) => { if (onKey(graph, event, numberAt(event), boxes)) { event.preventDefault(); event.stopPropagation(); } });
}

function pinch(canvas, view, before, event, other) {
  const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
  const {left, top} = canvas.getBoundingClientRect();
  view.zoom(far(event) / far(before), [(event.clientX + other.clientX) / 2 - left, (event.clientY + other.clientY) / 2 - top]);
}

// Arrows go to the nearest task that way; with Shift they move the picture.
function onKey(graph, event, n, boxes) {
  const {view, at} = graph;
  const way = {ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0]}[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if (way && event.shiftKey) view.move(way[0] * 80, way[1] * 80);
  else if (way && n >= 0) {
    const next = nearestTo(at, n, way);
    if (next < 0) return true;
    boxes.forEach((box, each) => box.setAttribute("tabindex", each === next ? 0 : -1));
    boxes[next].focus();
  } else if (event.key === "+" || event.key === "=") view.zoom(1.3);
  else if (event.key === "-") view.zoom(1 / 1.3);
  else if (event.key === "0") view.fit(true);
  else if (event.key === "f") graph.box.querySelector(".graph-tools button:last-child").click();
  else if ((event.key === "Enter" || event.key === " ") && n >= 0) graph.onPick(n);
  else return false;
  return true;
}

function nearestTo(at, n, [dx, dy]) {
  let best = -1, least = Infinity;
  at.forEach(({x, y}, each) => {
    const along = (x - at[n].x) * dx + (y - at[n].y) * dy, across = Math.abs((x - at[n].x) * dy) + Math.abs((y - at[n].y) * dx);
    if (each !== n && along > 8 && along + 2 * across < least) { least = along + 2 * across; best = each; }
  });
  return best;
}
