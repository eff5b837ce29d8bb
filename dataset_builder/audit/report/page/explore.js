"use strict";
/* Filters, brushes and the charts that follow them. */
(() => {
  const panelWidth = (node) => Math.max(200, Math.min(560, node.clientWidth || 280));
  const lazy = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) show(entry.target);
  }, { rootMargin: "600px" });
  const waiting = new Map();

  const show = (node) => {
    const draw = waiting.get(node);
    if (!draw) return;
    waiting.delete(node);
    lazy.unobserve(node);
    draw();
  };
  // Charts far below are drawn when they come near, or all of them before printing.
  const schedule = (node, draw) => { waiting.set(node, draw); lazy.observe(node); };
  const showAll = () => {
    for (const node of [...waiting.keys()]) show(node);
    for (const node of document.querySelectorAll(".findings details")) node.open = true;
  };
  window.addEventListener("beforeprint", showAll);

  const replace = (node, drawing) => { if (drawing) { drawing.setAttribute("aria-hidden", "true"); node.replaceChildren(drawing); } };

  // Histograms
  let selected = null;
  const drawHistogram = (node) => {
    const place = Number(node.dataset.set);
    const drawing = charts.drawHistogram(place, { width: panelWidth(node), selected });
    replace(node, drawing);
    addBrush(node, drawing, place);
    const set = page.sets[place];
    const { sorted, negative, quantiles } = charts.summarise(place, page.maskBursts());
    const note = document.querySelector(`[data-summary="${place}"]`);
    const below = set.signed ? [" · ", element("span", { className: negative > 0 ? "negative" : "", textContent: `${formatPercent(negative)} below 0` })] : [];
    note.replaceChildren(sorted.length ? `median ${formatScore(quantiles[2], set.unit, set.signed)}` : "no scores", ...(sorted.length ? below : []));
  };
  const formatPercent = (share) => {
    if (share > 0 && share < 0.01) return "< 1 %";
    return share > 0.99 && share < 1 ? "> 99 %" : `${formatNumber(100 * share, 0)} %`;
  };

  const addBrush = (node, drawing, place) => {
    const scale = drawing.scale("x");
    const brush = d3.brushX().extent([[scale.range[0], 2], [scale.range[1], 98]]).on("end", ({ selection, sourceEvent }) => {
      if (!sourceEvent) return;
      page.change({ brush: selection ? { set: place, low: scale.invert(selection[0]), high: scale.invert(selection[1]) } : null });
    });
    const layer = d3.select(drawing).insert("g", "[aria-label=tip]").attr("class", "brush").call(brush);
    const { brush: current } = page.state;
    if (current && current.set === place) {
      const inside = [current.low, current.high].map((value) => Math.min(Math.max(value, scale.domain[0]), scale.domain[1]));
      layer.call(brush.move, inside.map(scale.apply));
    }
  };

  // Scatters
  const fillSelect = (select, options, index) => {
    select.replaceChildren(...options.map((option, place) => element("option", { value: place, textContent: option })));
    select.selectedIndex = Math.min(index, options.length - 1);
  };
  const describeSet = (set) => `${set.scenario} ${set.estimator}${set.metric === "psnr" ? "" : ` ${set.metric}`}`;
  const describeAxis = (set) => [describeSet(set), set.unit].filter(Boolean).join(", ");

  const centre = (values) => {
    const sums = new Float64Array(page.burstIds.length);
    const counts = new Float64Array(page.burstIds.length);
    for (let frame = 0; frame < values.length; frame += 1) {
      if (values[frame] === values[frame]) { sums[page.burstOf[frame]] += values[frame]; counts[page.burstOf[frame]] += 1; }
    }
    return Float32Array.from(values, (value, frame) => value - sums[page.burstOf[frame]] / counts[page.burstOf[frame]]);
  };
  const listPoints = (x, y) => {
    const mask = page.maskBursts();
    const points = [];
    for (let frame = 0; frame < page.numFrames; frame += 1) {
      if (mask[page.burstOf[frame]] && x[frame] === x[frame] && y[frame] === y[frame]) points.push({ x: x[frame], y: y[frame], frame });
    }
    return points;
  };
  const openOnClick = (node, drawing) => drawing.addEventListener("click", () => {
    const point = drawing.value;
    if (point) bursts.open(page.burstIds[page.burstOf[point.frame]], page.frameIndex[point.frame]);
  });

  const drawScores = () => {
    const node = document.querySelector('[data-chart="scatter"]');
    if (!node || !page.sets.length) return;
    const [across, up] = ["scatter-x", "scatter-y"].map((id) => Number(byId(id).value));
    const [x, y] = [across, up].map((place) => centre(page.values(place)));
    const labels = [across, up].map((place) => describeAxis(page.sets[place]));
    const drawing = charts.drawScatter(listPoints(x, y), { width: Math.min(760, node.clientWidth), selected, xLabel: labels[0], yLabel: labels[1], equal: true });
    replace(node, drawing);
    openOnClick(node, drawing);
  };
  const drawFactors = () => {
    const node = document.querySelector('[data-chart="factor-scatter"]');
    if (!node || !page.sets.length || !page.factors.length) return;
    const factor = page.factors[Number(byId("factor-x").value)];
    const place = Number(byId("factor-y").value);
    const set = page.sets[place];
    const drawing = charts.drawScatter(listPoints(factor.values, centre(page.values(place))), {
      width: Math.min(760, node.clientWidth), selected, xLabel: factor.title, yLabel: `${describeAxis(set)}, minus mean of burst`, equal: false,
    });
    replace(node, drawing);
    openOnClick(node, drawing);
  };

  // What the brush holds
  const showSelection = () => {
    const { brush } = page.state;
    byId("brush-clear").hidden = !brush;
    byId("brush-text").textContent = "";
    const box = byId("selected-frames");
    if (box) box.replaceChildren();
    if (!brush || !box) return;
    const set = page.sets[brush.set];
    const text = `${selected.length.toLocaleString("en")} frames selected: ${describeSet(set)} from ${formatScore(brush.low, set.unit, set.signed)} to ${formatScore(brush.high, set.unit, set.signed)}`;
    byId("brush-text").textContent = text;
    const shown = selected.filter((frame) => bursts.picture(page.burstIds[page.burstOf[frame]], page.frameIndex[frame])).slice(0, 12);
    box.append(element("p", { className: "note", textContent: `${text}.${shown.length ? " Some of them:" : ""}` }), element("ul", { className: "tiles" }, shown.map((frame) => {
      const [burst, index] = [page.burstIds[page.burstOf[frame]], page.frameIndex[frame]];
      const image = element("img", { src: bursts.picture(burst, index), alt: `frame ${index} of ${burst}` });
      const name = element("span", { className: "tile-name", title: burst }, [shortenMiddle(burst, 24), element("br"), `frame ${index}`]);
      const score = element("span", { className: "tile-score", textContent: formatScore(page.values(brush.set)[frame], set.unit, set.signed) });
      const button = element("button", { type: "button", className: "tile" }, [image, score, name]);
      button.addEventListener("click", () => bursts.open(burst, index));
      return element("li", {}, [button]);
    })));
  };

  const countShown = () => {
    const mask = page.maskBursts();
    let [shown, frames] = [0, 0];
    mask.forEach((value, burst) => { if (value) { shown += 1; frames += page.data.frames.lengths[burst]; } });
    byId("filter-count").textContent = `${shown.toLocaleString("en")} of ${mask.length.toLocaleString("en")} bursts, ${frames.toLocaleString("en")} frames`;
  };

  const hideOthers = () => {
    const { scenario } = page.state;
    for (const node of document.querySelectorAll("[data-scenario]")) node.hidden = Boolean(scenario) && node.dataset.scenario !== scenario;
    for (const node of document.querySelectorAll(".group")) node.hidden = !node.querySelector(".panel:not([hidden])");
    for (const article of document.querySelectorAll(".burst")) {
      const { group } = page.data.bursts[article.dataset.burst];
      article.hidden = ["source", "preset", "split"].some((name) => page.state[name] && group[name] !== page.state[name]);
    }
  };

  const update = () => {
    selected = page.listSelected();
    hideOthers();
    for (const node of document.querySelectorAll('[data-chart="histogram"]')) schedule(node, () => drawHistogram(node));
    for (const node of document.querySelectorAll('[data-chart="curve"]')) schedule(node, () => replace(node, charts.drawCurve(node.dataset.name, { width: panelWidth(node) })));
    for (const node of document.querySelectorAll('[data-chart="cumulative"]')) schedule(node, () => replace(node, charts.drawCumulative(node.dataset.name, { width: panelWidth(node) })));
    for (const [name, draw] of [["scatter", drawScores], ["factor-scatter", drawFactors]]) {
      const node = document.querySelector(`[data-chart="${name}"]`);
      if (node) schedule(node, draw);
    }
    countShown();
    showSelection();
  };

  const setUp = () => {
    document.documentElement.classList.add("scripted");
    byId("filters").hidden = false;
    const scenarios = [...new Set(page.sets.map((set) => set.scenario))];
    for (const [name, names] of [...Object.entries(page.groups).map(([key, group]) => [key, group.names]), ["scenario", scenarios]]) {
      const select = byId(`filter-${name}`);
      select.append(...names.map((each) => element("option", { value: each, textContent: each })));
      select.closest("label").hidden = names.length < 2;
      select.addEventListener("change", () => page.change({ [name]: select.value }));
    }
    byId("filters").addEventListener("reset", () => page.change({ source: "", preset: "", split: "", scenario: "" }));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("brush-clear").addEventListener("click", () => page.change({ brush: null }));
    const names = page.sets.map(describeSet);
    const chosen = page.sets.map((_, place) => place).filter((place) => page.sets[place].chosen);
    if (byId("scatter-scores")) {
      fillSelect(byId("scatter-x"), names, chosen[0] ?? 0);
      fillSelect(byId("scatter-y"), names, chosen[chosen.length - 1] ?? 0);
      for (const id of ["scatter-x", "scatter-y"]) byId(id).addEventListener("change", drawScores);
    }
    if (byId("scatter-factors")) {
      if (page.factors.length) {
        fillSelect(byId("factor-x"), page.factors.map((factor) => factor.title), 0);
        fillSelect(byId("factor-y"), names, chosen[0] ?? 0);
        for (const id of ["factor-x", "factor-y"]) byId(id).addEventListener("change", drawFactors);
      } else byId("scatter-factors").hidden = true;
    }
    if (byId("by-score")) {
      fillSelect(byId("by-score-set"), names, chosen[0] ?? 0);
      byId("by-score").addEventListener("submit", (event) => {
        event.preventDefault();
        const [low, high] = ["by-score-low", "by-score-high"].map((id) => byId(id).value);
        page.change({ brush: { set: Number(byId("by-score-set").value), low: low === "" ? -Infinity : Number(low), high: high === "" ? Infinity : Number(high) } });
      });
    }
    if (byId("split-key")) {
      byId("split-key").replaceChildren(...page.groups.split.names.flatMap((name, split) => {
        const line = element("span", { className: "line" });
        const { stroke, strokeDasharray } = charts.splitStyles[split % charts.splitStyles.length];
        line.style.borderTop = `2px ${strokeDasharray ? "dashed" : "solid"} ${stroke}`;
        return [line, ` ${name}  `];
      }), "Share of the scores below a value.");
    }
    const draws = {
      position: (node) => charts.drawPositions(node.dataset.name, { width: panelWidth(node) }),
      change: (node) => charts.drawChange(node.dataset, { width: panelWidth(node) }),
    };
    for (const [name, draw] of Object.entries(draws)) {
      for (const node of document.querySelectorAll(`[data-chart="${name}"]`)) schedule(node, () => replace(node, draw(node)));
    }
    page.onChange(update);
  };

  window.explore = { setUp, update, showAll };
})();
