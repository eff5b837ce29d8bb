"use strict";
(() => {
  const bursts = JSON.parse(document.getElementById("bursts").textContent);
  const articles = [...document.querySelectorAll(".burst")];
  const panel = document.getElementById("panel");
  const byId = (id) => document.getElementById(id);
  let current = 0;
  let frame = 0;

  const element = (tag, properties = {}, children = []) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  const pictures = () => [...articles[current].querySelectorAll(".film thead th")].map((cell) => cell.querySelector("img")?.src ?? "");

  // A bar in a well that spans the row's range; fidelities start at the lowest, everything else at 0.
  const drawBar = (row, value) => {
    const known = row.values.filter((each) => each !== null);
    const top = Math.max(...known, row.from_zero ? 0 : -Infinity);
    let bottom = Math.min(...known, row.from_zero ? 0 : Infinity);
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

  const selectFrame = (index) => {
    const burst = bursts[current];
    frame = Math.min(Math.max(index, 0), burst.frames.length - 1);
    byId("frame-picture").src = pictures()[frame];
    byId("frame-picture").alt = `frame ${burst.frames[frame]}`;
    byId("frame-caption").textContent = `Frame ${burst.frames[frame]}`;
    const rows = burst.factors.map((row) => [row.name, ...[burst.reference, frame].map((place) => row.texts[place]), row.detail]);
    byId("made").replaceChildren(
      ...[["", "reference", `frame ${burst.frames[frame]}`, ""], ...rows].map((texts, line) => element("tr", {}, texts.map((text, column) =>
        element(line && column ? "td" : "th", { textContent: text, className: column ? (column < 3 ? "num" : "text") : "" })))),
    );
    for (const cell of byId("profile").querySelectorAll("[data-frame]")) {
      cell.classList.toggle("selected", Number(cell.dataset.frame) === frame);
    }
  };

  const showBurst = (index, selected) => {
    current = (index + bursts.length) % bursts.length;
    const burst = bursts[current];
    const sources = pictures();
    byId("panel-title").textContent = burst.id;
    byId("panel-facts").textContent = burst.facts;
    byId("reference-picture").src = sources[burst.reference];
    byId("reference-picture").alt = "reference frame";
    byId("reference-caption").textContent = `Reference, frame ${burst.frames[burst.reference]}`;
    const heads = burst.frames.map((number, place) => {
      const content = sources[place] ? element("img", { src: sources[place], alt: "" }) : "";
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
    const other = burst.frames.length > 1 && burst.reference === 0 ? 1 : 0;
    selectFrame(selected ?? other);
    if (!panel.open) panel.showModal();
    panel.scrollTop = 0;
  };

  articles.forEach((article, index) => {
    article.querySelector(".open").addEventListener("click", () => showBurst(index));
    article.querySelectorAll(".film thead th").forEach((cell, place) => cell.addEventListener("click", () => showBurst(index, place)));
  });
  byId("profile").addEventListener("click", (event) => {
    const cell = event.target.closest("[data-frame]");
    if (cell) selectFrame(Number(cell.dataset.frame));
  });
  byId("previous").addEventListener("click", () => showBurst(current - 1));
  byId("next").addEventListener("click", () => showBurst(current + 1));
  byId("close").addEventListener("click", () => panel.close());
  panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });
  panel.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { selectFrame(frame + step); event.preventDefault(); }
  });
})();
