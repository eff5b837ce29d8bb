"use strict";
/* Charts by Observable Plot: functions from the page's data to SVG. Colours come from the style sheet. */
const charts = (() => {
  const style = { background: "none", color: "var(--ink)", fontSize: "11px", overflow: "visible", fontFamily: "inherit", fontVariant: "tabular-nums" };
  const tipStyle = { fill: "var(--raised)", stroke: "var(--line)", lineHeight: 1.35 };
  const inRange = (value, axis) => formatNumber(value, Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(axis.high - axis.low)))));
  const ticks = (value) => formatNumber(value, 6).replace(/0+$/, "").replace(/\.$/, "");

  // Counts are whole numbers: none, the most that is round, and their middle where that is whole.
  const countTicks = (top) => d3.ticks(0, top, 2).filter(Number.isInteger);
  const countText = (value) => (value >= 10000 ? `${formatNumber(value / 1000, 0)}k` : formatNumber(value, 0));

  const quantile = (sorted, share) => {
    const place = (sorted.length - 1) * share;
    const low = Math.floor(place);
    return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (place - low);
  };

  const summarise = (set, mask) => {
    const values = page.values(set);
    const known = [];
    let negative = 0;
    for (let frame = 0; frame < values.length; frame += 1) {
      const value = values[frame];
      if (value === value && mask[page.burstOf[frame]]) {
        known.push(value);
        if (value < 0) negative += 1;
      }
    }
    const sorted = Float32Array.from(known).sort();
    return { sorted, negative: sorted.length ? negative / sorted.length : NaN, quantiles: [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => quantile(sorted, share)) };
  };

  const countBins = (values, axis) => {
    const counts = new Float64Array(axis.bins);
    const scale = axis.bins / (axis.high - axis.low);
    for (const value of values) {
      // An edge lies at 0; rounding must not carry what is below it across.
      let bin = Math.floor((value - axis.low) * scale + 1e-6);
      if (value < 0 && axis.low + bin / scale > -1e-9) bin -= 1;
      counts[Math.min(axis.bins - 1, Math.max(0, bin))] += 1;
    }
    return counts;
  };

  const drawHistogram = (place, { width, selected }) => {
    const set = page.sets[place];
    const { axis } = set;
    const summary = summarise(place, page.maskBursts());
    const step = (axis.high - axis.low) / axis.bins;
    const counts = countBins(summary.sorted, axis);
    const values = page.values(place);
    const marked = selected ? countBins(selected.map((frame) => values[frame]).filter((value) => value === value), axis) : null;
    const bins = [...counts].map((count, bin) => ({
      left: axis.low + bin * step, right: axis.low + (bin + 1) * step, count, selected: marked ? marked[bin] : 0,
      loss: set.signed && axis.low + (bin + 0.5) * step < 0,
    }));
    const top = Math.max(1, ...counts);
    const [q05, q25, q50, q75, q95] = summary.quantiles.map((value) => Math.min(axis.high, Math.max(axis.low, value)));
    const foot = -0.16 * top;
    const whiskers = summary.sorted.length ? [
      Plot.ruleY([foot], { x1: q05, x2: q95, stroke: "var(--quiet)", strokeWidth: 1.5 }),
      Plot.ruleY([foot], { x1: q25, x2: q75, stroke: "var(--quiet)", strokeWidth: 5 }),
      Plot.dot([[q50, foot]], { r: 3.5, fill: "var(--paper)", stroke: "var(--ink)", strokeWidth: 1.5 }),
    ] : [];
    return Plot.plot({
      style, width, height: 116, marginLeft: 34, marginRight: 2, marginTop: 8, marginBottom: 18,
      x: { domain: [axis.low, axis.high], label: null, ticks: 4, tickSize: 0, tickFormat: ticks },
      y: { domain: [-0.3 * top, top], axis: null },
      marks: [
        Plot.axisY(countTicks(top), { tickSize: 0, label: null, tickFormat: countText }),
        ...(axis.low <= 0 && axis.high >= 0 ? [Plot.ruleX([0], { stroke: "var(--ink)" })] : []),
        Plot.ruleY([0], { stroke: "var(--line)" }),
        Plot.rectY(bins, { x1: "left", x2: "right", y: "count", inset: 0.4, fill: (bin) => (bin.loss ? "var(--loss)" : "var(--accent)"), fillOpacity: marked ? 0.3 : 1 }),
        ...(marked ? [Plot.rectY(bins, { x1: "left", x2: "right", y: "selected", inset: 0.4, fill: "var(--selected)" })] : []),
        ...whiskers,
        Plot.tip(bins.filter((bin) => bin.count), Plot.pointerX({
          ...tipStyle, x: (bin) => (bin.left + bin.right) / 2, y: "count", anchor: "bottom",
          title: (bin) => `${inRange(bin.left, axis)} to ${inRange(bin.right, axis)} ${set.unit}\n${bin.count.toLocaleString("en")} frames${marked ? `\n${bin.selected.toLocaleString("en")} selected` : ""}`,
        })),
      ],
    });
  };

  const curveStyles = {
    oracle: { stroke: "var(--ink)", strokeWidth: 1.5, strokeDasharray: "5 3" },
    labels: { stroke: "var(--accent)", strokeWidth: 2.5 },
    random: { stroke: "var(--quiet)", strokeWidth: 1.5, strokeDasharray: "2 3" },
    first: { stroke: "var(--loss)", strokeWidth: 1.5 },
  };

  const sizes = { best_one: "1", best_quarter: "¼", best_half: "½", best_three_quarters: "¾", all_but_one: "all − 1" };

  const drawCurve = (scenario, { width }) => {
    const measured = page.data.curves.filter((row) => row.scenario === scenario && row.policy in sizes).map((row) => ({ ...row, kept: sizes[row.policy] }));
    const rows = measured.filter((row) => !page.state.preset || row.preset === page.state.preset);
    if (!rows.length) return element("p", { className: "note" }, [`No burst of ${page.state.preset} was restored.`]);
    const presets = [...new Set(rows.map((row) => row.preset))];
    return Plot.plot({
      style, width, height: 60 + 110 * presets.length, marginLeft: 34, marginRight: 14, marginTop: 16, marginBottom: 34,
      fy: { domain: presets, axis: null, padding: 0.16 },
      x: { type: "point", domain: Object.values(sizes), label: "frames kept", labelAnchor: "center", labelArrow: "none", tickSize: 0 },
      y: { domain: [Math.min(...rows.map((row) => row.gain)), Math.max(0.1, ...rows.map((row) => row.gain))], nice: true, label: null, ticks: 4, tickSize: 0, tickFormat: ticks, grid: true },
      marks: [
        Plot.ruleY([0], { stroke: "var(--ink)" }),
        Plot.text(presets, { fy: (preset) => preset, text: (preset) => preset, frameAnchor: "top-right", dy: -10, fill: "var(--quiet)" }),
        ...Object.entries(curveStyles).map(([name, line]) => Plot.line(rows.filter((row) => row.guide === name), { x: "kept", y: "gain", fy: "preset", marker: name === "labels" ? "dot" : null, ...line })),
        Plot.tip(rows, Plot.pointer({
          ...tipStyle, x: "kept", y: "gain", fy: "preset", title: (row) => `${row.guide}, ${row.kept} kept, ${row.preset}\n${formatScore(row.gain, row.unit, true)} against all frames\nmean of ${row.bursts} bursts`,
        })),
      ],
    });
  };

  const drawPositions = (scenario, { width }) => {
    const rows = page.data.positions.filter((row) => row.scenario === scenario);
    return Plot.plot({
      style, width, height: 120, marginLeft: 34, marginRight: 4, marginTop: 8, marginBottom: 18,
      x: { type: "band", label: null, tickSize: 0, ticks: rows.filter((_, place) => place % Math.ceil(rows.length / 14) === 0).map((row) => row.frame_index), padding: 0.25 },
      y: { label: null, ticks: 3, tickSize: 0, percent: true, tickFormat: (value) => `${value} %`, domain: [0, Math.max(25, ...rows.map((row) => 100 * Math.max(row.best_share, row.expected_share)))] },
      marks: [
        Plot.barY(rows, { x: "frame_index", y: "best_share", fill: "var(--accent)" }),
        Plot.tickY(rows, { x: "frame_index", y: "expected_share", stroke: "var(--ink)", strokeWidth: 1.5 }),
        Plot.ruleY([0], { stroke: "var(--line)" }),
        Plot.tip(rows, Plot.pointerX({
          ...tipStyle, x: "frame_index", y: "best_share",
          title: (row) => `frame ${row.frame_index}\nbest of ${formatNumber(100 * row.best_share, 0)} % of ${row.bursts} bursts, of a random order ${formatNumber(100 * row.expected_share, 0)} %\nmean rank ${formatNumber(row.mean_rank, 2)} (0 worst, 1 best)`,
        })),
      ],
    });
  };

  const splitStyles = [
    { stroke: "var(--accent)", strokeWidth: 2 },
    { stroke: "var(--loss)", strokeWidth: 2, strokeDasharray: "5 3" },
    { stroke: "var(--ink)", strokeWidth: 1.5, strokeDasharray: "2 3" },
  ];

  const drawCumulative = (scenario, { width }) => {
    const place = page.chosenSet(scenario);
    if (place < 0) return null;
    const { axis, unit } = page.sets[place];
    const shown = page.maskBursts("split");
    const { names, codes } = page.groups.split;
    const lines = names.map((name, split) => {
      const mask = shown.map((value, burst) => (codes[burst] === split ? value : 0));
      const { sorted } = summarise(place, mask);
      const steps = Math.min(sorted.length, 120);
      return Array.from({ length: steps + 1 }, (_, step) => ({ name, share: step / (steps || 1), value: sorted.length ? quantile(sorted, step / (steps || 1)) : NaN }));
    });
    return Plot.plot({
      style, width, height: 120, marginLeft: 34, marginRight: 4, marginTop: 8, marginBottom: 18,
      x: { domain: [axis.low, axis.high], clamp: true, label: null, ticks: 4, tickSize: 0, tickFormat: ticks },
      y: { domain: [0, 100], percent: true, label: null, ticks: 2, tickSize: 0, tickFormat: (value) => `${value} %`, grid: true },
      marks: [
        ...lines.map((line, split) => Plot.line(line, { x: "value", y: "share", ...splitStyles[split % splitStyles.length] })),
        Plot.tip(lines.flat(), Plot.pointer({ ...tipStyle, x: "value", y: "share", title: (row) => `${row.name}: ${formatNumber(100 * row.share, 0)} % below ${formatScore(row.value, unit)}` })),
      ],
    });
  };

  const drawChange = ({ name, estimator, metric }, { width }) => {
    const bins = page.data.changes.filter((row) => row.scenario === name && row.estimator === estimator && row.metric === metric);
    return Plot.plot({
      style, width, height: 110, marginLeft: 34, marginRight: 2, marginTop: 8, marginBottom: 18,
      x: { label: null, ticks: 4, tickSize: 0, tickFormat: ticks },
      y: { axis: null },
      marks: [
        Plot.axisY(countTicks(Math.max(1, ...bins.map((bin) => bin.count))), { tickSize: 0, label: null, tickFormat: countText }),
        Plot.rectY(bins, { x1: "left", x2: "right", y: "count", inset: 0.4, fill: (bin) => (bin.left + bin.right < 0 ? "var(--loss)" : "var(--accent)") }),
        Plot.ruleX([0], { stroke: "var(--ink)" }),
        Plot.tip(bins, Plot.pointerX({ ...tipStyle, x: (bin) => (bin.left + bin.right) / 2, y: "count", title: (bin) => `${formatScore(bin.left, bin.unit, true)} to ${formatScore(bin.right, bin.unit, true)}\n${bin.count} labels` })),
      ],
    });
  };

  // Dots while they can be told apart, else cells tinted by how many frames they hold.
  const maxDots = 3000;

  const drawScatter = (points, { width, selected, xLabel, yLabel, equal }) => {
    const clip = (name) => {
      const sorted = Float32Array.from(points, (point) => point[name]).sort();
      return sorted.length ? [quantile(sorted, 0.005), quantile(sorted, 0.995)] : [0, 1];
    };
    const [xDomain, yDomain] = [clip("x"), clip("y")];
    const pad = ([low, high]) => [low - 0.04 * (high - low || 1), high + 0.04 * (high - low || 1)];
    const isSelected = new Set(selected || []);
    const many = points.length > maxDots;
    const title = (point) => `${page.burstIds[page.burstOf[point.frame]]}, frame ${page.frameIndex[point.frame]}\n${formatScore(point.x, "")} across, ${formatScore(point.y, "")} up`;
    const spread = (name) => [...points].filter((point) => isSelected.has(point.frame)).map((point) => point[name]).length;
    const marks = many ? [
      Plot.rect(points, Plot.bin({ fillOpacity: "count" }, { x: { value: "x", thresholds: 60 }, y: { value: "y", thresholds: 40 }, fill: "var(--accent)", inset: 0 })),
      ...(spread("x") ? [Plot.dot(points.filter((point) => isSelected.has(point.frame)).slice(0, maxDots), { x: "x", y: "y", r: 1.6, fill: "var(--selected)" })] : []),
    ] : [
      Plot.dot(points, { x: "x", y: "y", r: 2.4, fill: "var(--accent)", fillOpacity: isSelected.size ? 0.2 : 0.55 }),
      ...(isSelected.size ? [Plot.dot(points.filter((point) => isSelected.has(point.frame)), { x: "x", y: "y", r: 3, fill: "var(--selected)" })] : []),
      Plot.tip(points, Plot.pointer({ ...tipStyle, x: "x", y: "y", title, maxRadius: 24 })),
    ];
    return Plot.plot({
      style, width, height: Math.min(380, Math.round(width * 0.62)), marginLeft: 44, marginRight: 8, marginTop: 26, marginBottom: 36,
      x: { domain: pad(xDomain), clamp: true, label: xLabel, labelAnchor: "center", labelArrow: "none", tickSize: 0, ticks: 6, tickFormat: ticks },
      y: { domain: pad(yDomain), clamp: true, label: yLabel, labelArrow: "none", tickSize: 0, ticks: 5, tickFormat: ticks, grid: true },
      opacity: { range: [0.08, 1], type: "sqrt" },
      marks: [
        ...(equal ? [Plot.ruleX([0], { stroke: "var(--line)" }), Plot.ruleY([0], { stroke: "var(--line)" })] : []),
        ...marks,
      ],
    });
  };

  return { drawHistogram, drawCurve, drawPositions, drawCumulative, drawChange, drawScatter, summarise, splitStyles };
})();
