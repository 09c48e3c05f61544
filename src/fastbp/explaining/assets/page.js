"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const PULSE_MS = 1100, PLAY_MS = 1900, MOST_ACTIVE = 30;
  const get = (id) => document.getElementById(id);
  const svg = get("net"), slider = get("slider");
  let step = 0, selected = null, timer = null, frame = null;

  function make(parent, name, attributes, text) {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent.appendChild(element);
    return element;
  }

  // ---------------------------------------------------------------- drawing

  /** A text on a box of the background's colour, so that lines don't cross it. */
  function note(group, [x, y]) {
    const box = make(group, "rect", { class: "box", y: y - 7.5, height: 15, rx: 3 });
    const text = make(group, "text", { x, y: y + 4.5 });
    return (words) => {
      const width = words ? 7.9 * words.length + 4 : 0;
      text.textContent = words;
      box.setAttribute("x", x - width / 2);
      box.setAttribute("width", width);
    };
  }

  function pointOn(edge, along) {
    const a = data.units[edge.i], b = data.units[edge.j], [p, q, r] = [(1 - along) ** 2, 2 * along * (1 - along), along ** 2];
    return [p * a.x + q * edge.control[0] + r * b.x, p * a.y + q * edge.control[1] + r * b.y];
  }

  function reachable(group, label, key) {
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", label);
    group.addEventListener("click", () => select(key));
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        event.stopPropagation();
        select(key);
      }
    });
  }

  function named(unit) {
    return unit.called ? `${unit.name}, ${unit.called}` : unit.name;
  }

  svg.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
  svg.style.width = "100%";
  svg.style.minWidth = `${Math.round(0.66 * data.width)}px`;
  svg.style.maxWidth = `${Math.round(1.5 * data.width)}px`;
  const lines = make(svg, "g", {}), labels = make(svg, "g", {}), pulses = make(svg, "g", {}), circles = make(svg, "g", {});

  data.edges.forEach((edge, k) => {
    const a = data.units[edge.i], b = data.units[edge.j];
    const d = `M ${a.x} ${a.y} Q ${edge.control[0]} ${edge.control[1]} ${b.x} ${b.y}`;
    edge.group = make(lines, "g", { class: "edge", "data-edge": `${a.number}-${b.number}` });
    edge.seen = make(edge.group, "path", { d, class: "seen" });
    make(edge.group, "path", { d, class: "hit" });
    edge.text = note(make(labels, "g", { class: "edge" }), edge.label || pointOn(edge, 0.39));
    reachable(edge.group, `connection from ${a.name} to ${b.name}`, { kind: "edge", k });
  });
  data.units.forEach((unit, k) => {
    unit.group = make(circles, "g", { class: "unit", "data-unit": unit.number });
    unit.circle = make(unit.group, "circle", { cx: unit.x, cy: unit.y, r: data.radius });
    unit.nameText = make(unit.group, "text", { x: unit.x, y: unit.y + 4.5, class: "name" }, unit.name);
    unit.valueText = note(unit.group, [unit.x, unit.y + data.below]);
    reachable(unit.group, `unit ${named(unit)}, ${unit.function}`, { kind: "unit", k });
  });
  for (const { x, y, text, anchor } of data.words)
    make(circles, "text", { x, y: y + 4.5, class: "word", style: `text-anchor: ${anchor}` }, text);

  // ---------------------------------------------------------------- colours

  function colourOf(name) {
    const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    return [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
  }

  function mixed(value, largest) {
    const share = largest > 0 && value !== null ? Math.min(1, Math.abs(value) / largest) : 0;
    const from = colourOf("--zero"), to = colourOf(value < 0 ? "--negative" : "--positive");
    return from.map((c, k) => Math.round(c + share * (to[k] - c)));
  }

  function readableOn([r, g, b]) {
    return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#1b1f24" : "#ffffff";
  }

  const rgb = (colour) => `rgb(${colour.join(",")})`;
  const largestOf = (values) => Math.max(0, ...values.filter((v) => v !== null).map(Math.abs));

  // ---------------------------------------------------------------- a step

  const isBack = (s) => ["backward", "gradient", "update"].includes(s.kind);

  /** Whether a unit's number is known at this step, and which: its output or its error signal. */
  function numberOf(unit, s) {
    if (isBack(s)) {
      const known = unit.signal !== null && unit.layer > 0 && (s.kind !== "backward" || unit.layer >= s.layer);
      return known ? [unit.signal, unit.signalText] : [null, ""];
    }
    return unit.layer <= s.layer ? [unit.z, unit.zText] : [null, ""];
  }

  const EDGE_KEY = { start: "w", forward: "w", error: "w", backward: "back", gradient: "value", update: "new" };
  const SHOWN = {
    start: "lines: weights; below units: outputs", forward: "lines: weights; below units: outputs",
    error: "lines: weights; below units: outputs",
    backward: "lines: weight times error signal, travelling back; units: error signal",
    gradient: "lines: derivatives; units: error signal", update: "lines: new weights; units: error signal",
  };

  function isActive(edge, s) {
    const from = data.units[edge.i], to = data.units[edge.j];
    if (s.kind === "forward") return to.layer === s.layer;
    if (s.kind === "backward") return from.layer === s.layer;
    return true;
  }

  function isKnown(edge, s) {
    return s.kind !== "backward" || data.units[edge.i].layer >= s.layer;
  }

  function paint() {
    const s = data.steps[step], key = EDGE_KEY[s.kind];
    const largest = largestOf(data.units.map((u) => numberOf(u, s)[0]));
    for (const unit of data.units) {
      const [value, text] = numberOf(unit, s), colour = mixed(value, largest);
      unit.circle.style.fill = rgb(colour);
      unit.nameText.style.fill = readableOn(colour);
      unit.valueText(text);
      const active = (s.kind === "forward" || s.kind === "backward" || s.kind === "error") && unit.layer === s.layer;
      unit.group.classList.toggle("active", active);
      unit.group.classList.toggle("selected", isSelected("unit", unit));
    }
    const heaviest = largestOf(data.edges.map((e) => e[key]));
    const crowded = data.edges.filter((e) => isActive(e, s) && isKnown(e, s)).length > MOST_ACTIVE;
    for (const edge of data.edges) paintEdge(edge, s, key, heaviest, crowded);
    get("shown").textContent = SHOWN[s.kind];
  }

  function paintEdge(edge, s, key, heaviest, crowded) {
    const value = edge[key], chosen = isSelected("edge", edge), active = isActive(edge, s) && isKnown(edge, s);
    const share = heaviest > 0 && value !== null ? Math.abs(value) / heaviest : 0;
    const thickest = crowded ? 2.4 : 5;
    edge.seen.style.strokeWidth = active || chosen ? 0.8 + thickest * share : 1;
    edge.seen.style.stroke = chosen ? "" : active ? `var(--${value < 0 ? "negative" : "positive"})` : "var(--line)";
    edge.seen.style.opacity = chosen || (active && !crowded) ? 1 : active ? 0.35 + 0.65 * share : 0.55;
    edge.group.classList.toggle("selected", chosen);
    const ofChosen = selected && selected.kind === "unit" && [edge.i, edge.j].includes(selected.k);
    const shown = chosen || (isKnown(edge, s) && edge.label && ((active && !crowded) || ofChosen));
    edge.text(shown ? edge.texts[key] : "");
  }

  function isSelected(kind, item) {
    const list = kind === "unit" ? data.units : data.edges;
    return selected !== null && selected.kind === kind && list[selected.k] === item;
  }

  /** Dots along the connections of this step: forward with the sum, back with the error signal. */
  function pulse() {
    cancelAnimationFrame(frame);
    pulses.replaceChildren();
    const s = data.steps[step], back = s.kind === "backward";
    if (!["forward", "backward"].includes(s.kind)) return;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const edges = data.edges.filter((e) => isActive(e, s)), key = back ? "back" : "w";
    const heaviest = largestOf(edges.map((e) => e[key]));
    const dots = edges.map((edge) => {
      const share = heaviest > 0 ? Math.abs(edge[key] || 0) / heaviest : 0;
      const dot = make(pulses, "circle", { class: "pulse", r: 3 + 4 * share });
      dot.style.fill = `var(--${edge[key] < 0 ? "negative" : "positive"})`;
      return [dot, edge];
    });
    const start = performance.now();
    const move = (now) => {  // a frame may have begun before the click
      const share = Math.min(1, Math.max(0, now - start) / PULSE_MS), along = back ? 1 - share : share;
      for (const [dot, edge] of dots) {
        const [x, y] = pointOn(edge, along);
        dot.setAttribute("cx", x);
        dot.setAttribute("cy", y);
      }
      if (share < 1) frame = requestAnimationFrame(move);
      else pulses.replaceChildren();
    };
    move(start);
  }

  // ---------------------------------------------------------------- texts; all HTML was made, and escaped, by the writer

  function list(rows) {
    return `<dl>${rows.map(([name, line]) => `<dt>${name}</dt><dd>${line}</dd>`).join("")}</dl>`;
  }

  function tell() {
    const s = data.steps[step];
    get("title").textContent = `${step + 1} of ${data.steps.length}: ${s.title}`;
    const formulas = s.formulas.map((f) => `<span>${f}</span>`).join(" ");
    get("step").innerHTML = `<p class="formulas">${formulas}</p>${list(s.lines)}`;
  }

  function tellSelection() {
    const panel = get("selection");
    panel.replaceChildren();
    if (!selected) return;
    const unit = selected.kind === "unit", item = (unit ? data.units : data.edges)[selected.k];
    const heading = document.createElement("h3");
    if (unit) heading.textContent = `Unit ${item.name} (${[item.function, item.called].filter(Boolean).join(" ")})`;
    else heading.textContent = `Connection ${data.units[item.i].name} \u2192 ${data.units[item.j].name}`;
    panel.appendChild(heading);
    panel.insertAdjacentHTML("beforeend", list(item.lines));
    if (unit && item.why) {
      const details = document.createElement("details"), summary = document.createElement("summary");
      const pre = document.createElement("pre");
      summary.textContent = "Why (5.56)?";
      pre.textContent = item.why;
      details.append(summary, pre);
      panel.appendChild(details);
    }
  }

  function select(key) {
    selected = key;
    paint();
    tellSelection();
  }

  function go(to) {
    const next = Math.max(0, Math.min(data.steps.length - 1, to)), moved = next !== step;
    step = next;
    slider.value = String(step);
    slider.setAttribute("aria-valuetext", data.steps[step].title);
    paint();
    tell();
    reveal();
    if (moved) pulse();
  }

  /** Scroll a drawing that is wider than its place to the layer of this step. */
  function reveal() {
    const column = data.units.find((unit) => unit.layer === data.steps[step].layer);
    const place = get("scroll"), scale = svg.getBoundingClientRect().width / data.width;
    if (column) place.scrollTo({ left: column.x * scale - place.clientWidth / 2 });
  }

  function play(on) {
    clearInterval(timer);
    timer = null;
    get("play").textContent = on ? "Pause" : "Play";
    if (!on) return;
    if (step === data.steps.length - 1) go(0);
    timer = setInterval(() => {
      go(step + 1);
      if (step === data.steps.length - 1) play(false);
    }, PLAY_MS);
  }

  slider.max = String(data.steps.length - 1);
  slider.addEventListener("input", () => { play(false); go(Number(slider.value)); });
  get("back").addEventListener("click", () => { play(false); go(step - 1); });
  get("forward").addEventListener("click", () => { play(false); go(step + 1); });
  get("play").addEventListener("click", () => play(timer === null));
  document.addEventListener("keydown", (event) => {
    const inControl = event.target === slider || event.target.tagName === "BUTTON" || event.target.tagName === "SUMMARY";
    const keys = { ArrowRight: () => go(step + 1), ArrowLeft: () => go(step - 1), Home: () => go(0),
      End: () => go(data.steps.length - 1), " ": () => play(timer === null) };
    if (event.key === "Escape") select(null);
    else if (!inControl && keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      if (event.key !== " ") play(false);
      keys[event.key]();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  get("head").innerHTML = data.head.map((text) => `<span>${text}</span>`).join(" ");
  go(0);
  if (data.selected !== null) select({ kind: "unit", k: data.selected });
})();
