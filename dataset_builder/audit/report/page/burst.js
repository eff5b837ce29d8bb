"use strict";
/* Pictures, and the dialog that opens one burst. */
const bursts = (() => {
  const known = page.data.bursts;
  const panel = byId("panel");
  let current = "";
  let frame = 0;
  const listeners = [];
  const tell = () => { for (const listener of listeners) listener(); };

  const picture = (id, index) => {
    const burst = known[id];
    if (!burst) return "";
    const place = index === undefined ? burst.reference : burst.frames.indexOf(index);
    return burst.pictures[place] || "";
  };

  // Pictures are decoded when they come near, or all of them before printing.
  const fill = (image) => {
    const { picture: id, frame: index } = image.dataset;
    const source = picture(id, index === undefined ? undefined : Number(index));
    if (source) image.src = source;
    else image.replaceWith(element("span", { className: "unreadable", textContent: "no picture" }));
  };
  const setUpPictures = () => {
    const lazy = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { lazy.unobserve(entry.target); fill(entry.target); }
    }, { rootMargin: "800px" });
    for (const image of document.querySelectorAll("img[data-picture]")) lazy.observe(image);
    window.addEventListener("beforeprint", () => document.querySelectorAll("img[data-picture]:not([src])").forEach(fill));
  };

  // A bar in a well that spans the row's range; fidelities start at the lowest, everything else at 0.
  const drawBar = (row, value) => {
    const values = row.values.filter((each) => each !== null);
    const top = Math.max(...values, row.from_zero ? 0 : -Infinity);
    let bottom = Math.min(...values, row.from_zero ? 0 : Infinity);
    if (!row.from_zero) bottom -= (top - bottom) * 0.1;
    const span = top - bottom || 1;
    const base = row.from_zero ? 0 : bottom;
    const percent = (each) => (100 * (each - bottom)) / span;
    const well = element("span", { className: "well" });
    const line = element("i");
    line.style.bottom = `${percent(base)}%`;
    well.append(line);
    if (value !== null) {
      const bar = element("span", { className: value < base ? "down" : "" });
      bar.style.bottom = `${percent(Math.min(value, base))}%`;
      bar.style.height = `max(1px, ${Math.abs(percent(value) - percent(base))}%)`;
      well.append(bar);
    }
    return well;
  };

  const drawRow = (row, kind) => {
    const head = element("th", { scope: "row" }, [row.name, element("span", { className: "under", textContent: row.detail })]);
    const cells = row.values.map((value, index) => {
      const text = element("span", { className: `value ${row.marks[index]}`, textContent: row.texts[index] });
      const cell = element("td", {}, [drawBar(row, value), text]);
      cell.dataset.frame = index;
      return cell;
    });
    return element("tr", { className: kind }, [head, ...cells]);
  };

  const showPicture = (id, source, alt) => {
    byId(id).hidden = !source;
    byId(id).src = source || "data:,";
    byId(id).alt = alt;
  };

  const selectFrame = (index) => {
    const burst = known[current];
    frame = Math.min(Math.max(index, 0), burst.frames.length - 1);
    showPicture("frame-picture", burst.pictures[frame], `frame ${burst.frames[frame]}`);
    byId("frame-caption").textContent = `Frame ${burst.frames[frame]}`;
    const rows = burst.factors.map((row) => [row.name, ...[burst.reference, frame].map((place) => row.texts[place]), row.detail]);
    byId("made").replaceChildren(
      ...[["", "reference", `frame ${burst.frames[frame]}`, ""], ...rows].map((texts, line) => element("tr", {}, texts.map((text, column) =>
        element(line && column ? "td" : "th", { textContent: text, className: column ? (column < 3 ? "num" : "text") : "" })))),
    );
    for (const cell of byId("profile").querySelectorAll("[data-frame]")) {
      cell.classList.toggle("selected", Number(cell.dataset.frame) === frame);
    }
    tell();
  };

  const captions = {
    truth: () => "truth",
    all: () => "all frames",
    "without best": (row) => `without frame ${row.left_out}, the most useful`,
    "without worst": (row) => `without frame ${row.left_out}, the least useful`,
    reference: () => "the reference alone",
  };
  const showRestored = (scenario) => {
    const rows = known[current].restored.filter((row) => row.scenario === scenario);
    const figures = Object.entries(captions).flatMap(([name, describe]) => rows.filter((row) => row.name === name).map((row) => element("figure", {}, [
      element("img", { src: row.picture, alt: describe(row) }),
      element("figcaption", {}, [describe(row), element("span", { className: "under", textContent: row.text })]),
    ])));
    byId("restored-pictures").replaceChildren(...figures);
  };

  const open = (id, index) => {
    const burst = known[id];
    if (!burst) return;
    current = id;
    byId("panel-title").textContent = id;
    byId("panel-facts").textContent = burst.facts;
    showPicture("reference-picture", burst.pictures[burst.reference], "reference frame");
    byId("reference-caption").textContent = `Reference, frame ${burst.frames[burst.reference]}`;
    const heads = burst.frames.map((number, place) => {
      const content = burst.pictures[place] ? element("img", { src: burst.pictures[place], alt: "" }) : "";
      const name = element("button", { type: "button", textContent: number, ariaLabel: `frame ${number}` });
      const cell = element("th", { scope: "col", className: place === burst.reference ? "reference" : "" }, [content, name]);
      cell.dataset.frame = place;
      return cell;
    });
    const rows = [
      ...burst.scores.map((row) => drawRow(row, "")),
      ...burst.factors.map((row, place) => drawRow(row, place ? "factor" : "factor divider")),
    ];
    byId("profile").replaceChildren(element("thead", {}, [element("tr", {}, [element("td"), ...heads])]), element("tbody", {}, rows));
    const scenarios = [...new Set(burst.restored.map((row) => row.scenario))];
    byId("restored").hidden = !scenarios.length;
    byId("restored-scenario").replaceChildren(...scenarios.map((name) => element("option", { value: name, textContent: name })));
    if (scenarios.length) {
      const wanted = scenarios.includes(page.state.scenario) ? page.state.scenario : scenarios[0];
      byId("restored-scenario").value = wanted;
      showRestored(wanted);
    }
    const other = burst.frames.length > 1 && burst.reference === 0 ? 1 : 0;
    const asked = index === undefined ? -1 : burst.frames.indexOf(index);
    selectFrame(asked >= 0 ? asked : other);
    if (!panel.open) panel.showModal();
    tell();
    panel.scrollTop = 0;
  };

  const step = (by) => {
    const order = Object.keys(known);
    open(order[(order.indexOf(current) + by + order.length) % order.length]);
  };

  const setUp = () => {
    setUpPictures();
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-open]");
      if (button) open(button.dataset.open, button.dataset.frame === undefined ? undefined : Number(button.dataset.frame));
      const head = event.target.closest(".film thead th");
      const image = head?.querySelector("img");
      if (image) open(image.dataset.picture, Number(image.dataset.frame));
    });
    byId("profile").addEventListener("click", (event) => {
      const cell = event.target.closest("[data-frame]");
      if (cell) selectFrame(Number(cell.dataset.frame));
    });
    byId("restored-scenario").addEventListener("change", (event) => showRestored(event.target.value));
    byId("previous").addEventListener("click", () => step(-1));
    byId("next").addEventListener("click", () => step(1));
    byId("close").addEventListener("click", () => panel.close());
    panel.addEventListener("close", tell);
    panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });
    panel.addEventListener("keydown", (event) => {
      if (event.target.tagName === "SELECT") return;
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) { selectFrame(frame + by); event.preventDefault(); }
    });
    for (const button of document.querySelectorAll("button.open[data-open], .tile[data-open]")) {
      if (!known[button.dataset.open]) button.disabled = true;
    }
  };

  // The burst and frame that the dialog shows; null while it is closed.
  const shown = () => (panel.open && current ? { burst: current, frame: known[current].frames[frame] } : null);
  const close = () => { if (panel.open) panel.close(); };

  return { open, close, shown, picture, setUp, onChange: (listener) => listeners.push(listener) };
})();
