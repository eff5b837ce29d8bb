"use strict";
/* The address says what is shown: filters, selected scores and the opened burst, so that a view can be handed on as a link. */
const links = (() => {
  const filters = ["source", "preset", "split", "scenario"];
  const name = (set) => `${set.scenario} ${set.estimator} ${set.metric}`;

  const write = () => {
    const parts = new URLSearchParams();
    for (const filter of filters) if (page.state[filter]) parts.set(filter, page.state[filter]);
    const { brush } = page.state;
    if (brush) {
      parts.set("label", name(page.sets[brush.set]));
      for (const [key, value] of [["from", brush.low], ["to", brush.high]]) if (Number.isFinite(value)) parts.set(key, value);
    }
    const shown = bursts.shown();
    if (shown) { parts.set("burst", shown.burst); parts.set("frame", shown.frame); }
    const text = parts.toString();
    // A plain anchor stays where nothing is chosen.
    if (text) history.replaceState(null, "", `#${text}`);
    else if (window.location.hash.includes("=")) history.replaceState(null, "", "#");
  };

  const toNumber = (text, otherwise) => (text === null || text === "" || Number.isNaN(Number(text)) ? otherwise : Number(text));

  // What the address names and the data set does not have is passed over.
  const read = () => {
    if (!window.location.hash.includes("=")) return;
    const parts = new URLSearchParams(window.location.hash.slice(1));
    const changes = { brush: null };
    for (const filter of filters) {
      const select = byId(`filter-${filter}`);
      const wanted = parts.get(filter) || "";
      changes[filter] = [...select.options].some((option) => option.value === wanted) ? wanted : "";
      select.value = changes[filter];
    }
    const set = page.sets.findIndex((each) => name(each) === parts.get("label"));
    if (set >= 0) changes.brush = { set, low: toNumber(parts.get("from"), -Infinity), high: toNumber(parts.get("to"), Infinity) };
    page.change(changes);
    const burst = parts.get("burst");
    if (burst !== null && Object.hasOwn(page.data.bursts, burst)) bursts.open(burst, toNumber(parts.get("frame"), undefined));
    else bursts.close();
  };

  const setUp = () => {
    read();
    page.onChange(write);
    bursts.onChange(write);
    window.addEventListener("hashchange", read);
  };
  return { setUp };
})();

explore.setUp();
bursts.setUp();
explore.update();
links.setUp();
document.documentElement.dataset.ready = "true";
