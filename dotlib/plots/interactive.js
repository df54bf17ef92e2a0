// Draws every <div class="dot-figure"> of a page from the JSON inside it, as dotlib/plots/interactive.py writes it.
// Controls are native elements, so that all of them work by keyboard; d3 draws the panels as SVG.
(function () {
  "use strict";
  const TYPES = { int16: Int16Array, float32: Float32Array };
  const SYMBOLS = {
    circle: d3.symbolCircle, square: d3.symbolSquare, triangle: d3.symbolTriangle,
    diamond: d3.symbolDiamond, cross: d3.symbolCross, star: d3.symbolStar,
  };
  const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");
  const SIDE = { left: 46, right: 10, top: 24, bottom: 40 };
  const STYLE = `
    .dot-figure { margin: 0.5rem 0; }
    .dot-figure .controls, .dot-figure .legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; align-items: center; }
    .dot-figure .controls label { display: inline-flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; margin: 0; }
    .dot-figure .controls input[type=range] { width: min(22rem, 45vw); }
    .dot-figure .controls button { font: inherit; min-width: 5rem; }
    .dot-figure .controls output { min-width: 2.5rem; }
    .dot-figure .panels { display: flex; flex-wrap: wrap; gap: 0.5rem; }
    .dot-figure svg { flex: 1 1 280px; max-width: 560px; min-width: 0; font-size: 12px; }
    .dot-figure svg [tabindex]:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
    .dot-figure .told { flex: 1 0 100%; margin: 0; min-height: 3em; font-size: 0.9rem; line-height: 1.5; }
    .dot-figure .pictures { flex: 1 1 280px; text-align: center; }
    .dot-figure .pictures img { display: block; width: 100%; margin-top: 0.4rem; image-rendering: pixelated; }
    .dot-figure .legend { font-size: 0.9rem; }
    .dot-figure .legend > * { display: inline-flex; align-items: center; gap: 0.4em; margin: 0; }
    .dot-figure .legend button { font: inherit; }
    .dot-figure svg.key { flex: none; width: 0.9em; height: 0.9em; }
    .dot-figure table { margin: 0.5rem 0; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
    .dot-figure :is(td, th) { padding: 0.1rem 0.4rem; text-align: right; font-weight: normal; }
    .dot-figure thead th { font-weight: 600; }
    .dot-figure th[scope=row] { text-align: left; }`;

  function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed.base64), (c) => c.charCodeAt(0));
    return { ...packed, values: new TYPES[packed.dtype](bytes.buffer) };
  }

  // The part of an array that belongs to the present values of its controls, as rows of numbers.
  function part(array, state) {
    const shape = array.shape.slice(array.by.length);
    const size = shape.reduce((a, b) => a * b, 1);
    const at = array.by.reduce((sum, name, axis) => sum * array.shape[axis] + state[name], 0) * size;
    const flat = Array.from(array.values.subarray(at, at + size), (v) => v * array.scale);
    const width = shape.length > 1 ? shape[1] : 1;
    return Array.from({ length: size / width }, (_, row) => flat.slice(row * width, (row + 1) * width));
  }

  function pictures(parent, spec, controls) {
    const place = parent.append("div").attr("class", "pictures").style("max-width", `${spec.size[0]}px`);
    place.append("strong").text(spec.title);
    const image = place.append("img").attr("alt", spec.title);
    const length = (name) => controls.find((control) => control.name === name).options.length;
    return (state) => image.attr("src", spec.values[spec.by.reduce((at, name) => at * length(name) + state[name], 0)]);
  }

  const ticks = (axis, scale) => (scale === "log" ? axis.ticks(5, "~g") : axis.ticks(5));

  // What an axis of a panel is at the present values of the controls.
  function axisOf(spec, way, state) {
    const many = spec[`${way}axes`];
    if (!many) return { limits: spec[`${way}lim`], label: spec[`${way}label`], scale: spec[`${way}scale`] };
    const at = state[many.by];
    return { limits: many.limits[at], label: many.labels[at], scale: many.scales[at] };
  }

  const symbol = (shape, size) => d3.symbol().type(SYMBOLS[shape]).size(size * size)();

  // Below a panel: the name of the point that has the focus, or lies under the pointer. Screen readers have its label.
  function teller(parent) {
    const told = parent.append("p").attr("class", "told").attr("aria-hidden", "true");
    const tell = (name) => told.text(name || "The pointer or the Tab key, at a point, shows what it is.");
    tell("");
    return tell;
  }

  // Points with names: each is an element of its own, which the pointer and the keyboard can ask.
  function named(parent, mark, array, place, tell) {
    const group = parent.append("g").attr("fill", mark.colour).attr("opacity", mark.opacity);
    const points = mark.names.map((name) => {
      const point = group.append("path").attr("d", symbol(mark.shape, mark.size));
      point.attr("tabindex", 0).attr("role", "img").attr("aria-label", name).append("title").text(name);
      point.on("focus", () => tell(name)).on("mouseenter", () => tell(name));
      point.on("blur", () => tell("")).on("mouseleave", () => tell(""));
      return point;
    });
    return (state) => part(array, state).forEach((row, at) => {
      const [x, y] = place(row);
      const there = isFinite(x) && isFinite(y);
      points[at].attr("display", there ? null : "none").attr("transform", there ? `translate(${x} ${y})` : null);
    });
  }

  function panel(parent, spec) {
    const [width, height] = spec.size;
    const kind = { linear: d3.scaleLinear, log: d3.scaleLog };
    let x = null, y = null;
    const asked = spec.marks.some((mark) => mark.names.length);  // of an image nothing inside can have the focus
    const svg = parent.append("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("role", asked ? "group" : "img");
    const tell = asked ? teller(parent) : null;
    const title = svg.append("title").text(spec.title);
    const text = (content, left, top) =>
      svg.append("text").attr("x", left).attr("y", top).attr("text-anchor", "middle").attr("fill", "currentColor").text(content);
    text(spec.title, (SIDE.left + width) / 2, 15).attr("font-weight", 600);
    const below = text("", (SIDE.left + width) / 2, height - 6);
    const beside = text("", 0, 0).attr("transform", `translate(12 ${height / 2}) rotate(-90)`);
    const bottom = svg.append("g").attr("transform", `translate(0 ${height - SIDE.bottom})`);
    const left = svg.append("g").attr("transform", `translate(${SIDE.left} 0)`);
    const inside = `${spec.name}-inside`;
    svg.append("clipPath").attr("id", inside).append("rect").attr("x", SIDE.left).attr("y", SIDE.top)
      .attr("width", width - SIDE.left - SIDE.right).attr("height", height - SIDE.top - SIDE.bottom);
    const drawn = svg.append("g").attr("clip-path", `url(#${inside})`);
    const axes = (state) => {
      const [across, up] = ["x", "y"].map((way) => axisOf(spec, way, state));
      x = kind[across.scale]().domain(across.limits).range([SIDE.left, width - SIDE.right]);
      y = kind[up.scale]().domain(up.limits).range([height - SIDE.bottom, SIDE.top]);
      if (!spec.title) title.text(`${up.label} against ${across.label}`);
      below.text(across.label);
      beside.text(up.label);
      bottom.call(ticks(d3.axisBottom(x), across.scale));
      left.call(ticks(d3.axisLeft(y), up.scale));
    };
    const place = (row) => [x(row[0]), y(row[1])];
    const marks = spec.marks.map((mark) => {
      const array = unpack(mark.values);
      const own = drawn.append("g").attr("data-label", mark.label);
      if (mark.names.length) return named(own, mark, array, place, tell);
      const path = own.append("path").attr("fill", "none").attr("stroke", mark.colour).attr("opacity", mark.opacity)
        .attr("stroke-width", mark.size).attr("stroke-linecap", "round").attr("stroke-dasharray", mark.dashes);
      const line = d3.line().x((row) => place(row)[0]).y((row) => place(row)[1]).defined((row) => place(row).every(isFinite));
      const dots = (rows) => rows.map((row) => `M${x(row[0]).toFixed(1)},${y(row[1]).toFixed(1)}h0`).join("");
      return (state) => path.attr("d", (mark.kind === "line" ? line : dots)(part(array, state)));
    });
    const fixed = !spec.xaxes && !spec.yaxes;
    return (state) => {
      if (!x || !fixed) axes(state);
      marks.forEach((draw) => draw(state));
    };
  }

  function legend(parent, spec) {
    const labelled = spec.panels.flatMap((p) => p.marks).filter((m) => m.label);
    const entries = new Map();  // of the marks of a label the last one, which has a shape where any of them has
    labelled.forEach((mark) => entries.set(mark.label, mark));
    const items = parent.append("div").attr("class", "legend");
    const show = (label, on) =>
      parent.selectAll("[data-label]").filter(function () { return this.dataset.label === label; }).attr("display", on ? null : "none");
    entries.forEach((mark, label) => {
      const item = items.append(spec.switches ? "label" : "span");
      if (spec.switches)
        item.append("input").attr("type", "checkbox").property("checked", true).on("change", function () { show(label, this.checked); });
      item.append("svg").attr("class", "key").attr("viewBox", "-6 -6 12 12").attr("aria-hidden", "true")
        .append("path").attr("d", symbol(mark.shape, 8)).attr("fill", mark.colour).attr("opacity", mark.opacity);
      item.append("span").text(label);
    });
    if (!spec.switches) return;
    [["All", true], ["None", false]].forEach(([word, on]) =>
      items.append("button").attr("type", "button").text(word).on("click", () => {
        items.selectAll("input").property("checked", on);
        entries.forEach((_, label) => show(label, on));
      }));
  }

  function table(parent, spec) {
    const rows = parent.append("table");
    const heads = rows.append("thead").append("tr");
    spec.heads.forEach((head) => heads.append("th").attr("scope", "col").text(head));
    const body = rows.append("tbody");
    const cells = spec.rows.flatMap((row) => {
      const line = body.append("tr");
      line.append("th").attr("scope", "row").text(row.label);
      return row.numbers.map((number) => {
        const cell = line.append("td");
        const array = unpack(number);
        return (state) => {
          const value = part(array, state)[0][0];
          cell.text(isFinite(value) ? value.toFixed(number.decimals) : "–");
        };
      });
    });
    return (state) => cells.forEach((show) => show(state));
  }

  function select(parent, control, changed) {
    const field = parent.append("label");
    field.append("span").text(control.label);
    const input = field.append("select").on("change", function () { changed(+this.value); });
    control.options.forEach((option, at) => input.append("option").attr("value", at).text(option));
    input.property("value", control.start);
  }

  function slider(parent, control, changed) {
    const last = control.options.length - 1;
    const field = parent.append("label");
    field.append("span").text(control.label);
    const input = field.append("input").attr("type", "range").attr("min", 0).attr("max", last).attr("step", 1);
    const told = field.append("output").attr("aria-hidden", "true");
    const move = (at) => {
      input.property("value", at).attr("aria-valuetext", control.options[at]);
      told.text(control.options[at]);
      changed(at);
    };
    input.on("input", function () { move(+this.value); });
    move(control.start);
    if (!control.play) return;
    let timer = null;
    const idle = () => (STILL.matches ? "Next" : "Play");
    const button = parent.append("button").attr("type", "button").text(idle());
    const stop = () => { clearInterval(timer); timer = null; button.text(idle()); };
    button.on("click", () => {
      const at = +input.property("value");
      if (STILL.matches) return move(at === last ? 0 : Math.min(last, at + Math.ceil(last / 10)));
      if (timer) return stop();
      if (at === last) move(0);
      button.text("Pause");
      timer = setInterval(() => {
        const next = +input.property("value") + 1;
        if (next <= last && input.node().isConnected) move(next);
        if (next >= last || !input.node().isConnected) stop();
      }, control.play);
    });
  }

  function start(element) {
    element.dataset.ready = "yes";
    const spec = JSON.parse(element.querySelector("script[type='application/json']").textContent);
    const root = d3.select(element);
    const controls = root.append("div").attr("class", "controls");
    const places = root.append("div").attr("class", "panels");
    const parts = spec.panels.map((each) => (each.values ? pictures : panel)(places, each, spec.controls));
    legend(root, spec);
    if (spec.table) parts.push(table(root, spec.table));
    const state = Object.fromEntries(spec.controls.map((c) => [c.name, c.start]));
    const draw = () => parts.forEach((show) => show(state));
    spec.controls.forEach((control) => {
      const changed = (at) => { state[control.name] = at; draw(); };
      (control.slider ? slider : select)(controls, control, changed);
    });
    draw();
  }

  function all() {
    if (!document.getElementById("dot-figure-style")) {
      const style = document.createElement("style");
      style.id = "dot-figure-style";
      style.textContent = STYLE;
      document.head.append(style);
    }
    document.querySelectorAll(".dot-figure:not([data-ready])").forEach(start);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  else all();
})();
