"use strict";
/* What the page knows: scores of all frames as typed arrays, the groups of bursts, and the state of filter and brush. */
const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);

  const decode = (text, Kind) => {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let place = 0; place < binary.length; place += 1) bytes[place] = binary.charCodeAt(place);
    return new Kind(bytes.buffer);
  };

  const { frames } = data;
  const scores = decode(frames.scores, Float32Array);
  const numFrames = frames.lengths.reduce((sum, length) => sum + length, 0);
  const burstOf = new Uint32Array(numFrames);
  let next = 0;
  frames.lengths.forEach((length, burst) => { burstOf.fill(burst, next, next + length); next += length; });
  const groups = {};
  for (const [name, group] of Object.entries(frames.groups)) {
    groups[name] = { names: group.names, codes: decode(group.codes, Uint16Array) };
  }
  const factors = frames.factors.map((factor) => ({ ...factor, values: decode(factor.values, Float32Array) }));

  const state = { source: "", preset: "", split: "", scenario: "", brush: null };
  const listeners = [];

  // A byte per burst: whether the filter shows it. Some charts compare splits and leave that filter out.
  const maskBursts = (ignored = "") => {
    const mask = new Uint8Array(frames.lengths.length).fill(1);
    for (const [name, group] of Object.entries(groups)) {
      if (!state[name] || name === ignored) continue;
      const wanted = group.names.indexOf(state[name]);
      for (let burst = 0; burst < mask.length; burst += 1) if (group.codes[burst] !== wanted) mask[burst] = 0;
    }
    return mask;
  };

  return {
    data,
    numFrames,
    burstOf,
    frameIndex: decode(frames.frame, Uint16Array),
    burstIds: frames.bursts,
    sets: frames.sets,
    groups,
    factors,
    state,
    maskBursts,
    values: (set) => scores.subarray(set * numFrames, (set + 1) * numFrames),
    chosenSet: (scenario) => frames.sets.findIndex((set) => set.chosen && set.scenario === scenario),
    // Frames that the brush selects and the filter shows; null without a brush.
    listSelected() {
      if (!state.brush) return null;
      const values = this.values(state.brush.set);
      const mask = maskBursts();
      const selected = [];
      for (let frame = 0; frame < numFrames; frame += 1) {
        if (mask[burstOf[frame]] && values[frame] >= state.brush.low && values[frame] <= state.brush.high) selected.push(frame);
      }
      return selected;
    },
    change(changes) {
      Object.assign(state, changes);
      for (const listener of listeners) listener();
    },
    onChange(listener) { listeners.push(listener); },
  };
})();

const byId = (id) => document.getElementById(id);
const element = (tag, properties = {}, children = []) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};
/* Beginnings and ends tell names apart. */
const shortenMiddle = (text, most) => {
  if (text.length <= most) return text;
  const tail = Math.floor((most - 1) / 2);
  return `${text.slice(0, most - 1 - tail)}…${text.slice(text.length - tail)}`;
};
/* A score in the unit that is shown: three significant digits, or more. */
const formatScore = (value, unit, signed = false) => {
  if (value === null || Number.isNaN(value)) return "–";
  const decimals = value ? 2 - Math.floor(Math.log10(Math.abs(value))) : 0;
  return `${formatNumber(value, Math.min(9, Math.max(unit === "ppm" ? 0 : 2, Number.isFinite(decimals) ? decimals : 0)), signed)} ${unit}`.trim();
};
const formatNumber = (value, decimals = 2, signed = false) => {
  if (value === null || Number.isNaN(value)) return "–";
  const text = value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: signed ? "exceptZero" : "negative" });
  return text.replace("-", "−");
};
