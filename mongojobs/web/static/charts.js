// Draws each <figure data-chart> from the table in it, which is there for everybody else.
"use strict";
window.mongojobsCharts = (() => {
  const drawn = new Map();
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // The first column holds times, each further one a series; its colour is named in the head of the column.
  const read = (table) => {
    const heads = [...table.tHead.rows[0].cells].slice(1);
    const rows = [...table.tBodies[0].rows];
    return {
      series: heads.map((head) => ({ label: head.textContent.trim(), color: head.dataset.color })),
      links: rows.map((row) => row.cells[0].querySelector("a")?.href ?? null),
      times: rows.map((row) => Date.parse(row.cells[0].querySelector("time").dateTime) / 1000),
      values: heads.map((_, at) => rows.map((row) => { const value = row.cells[at + 1].dataset.value; return value === "" || value === undefined ? null : Number(value); })),
    };
  };
  const stacked = (values) => {
    const sums = [];
    return values.map((column) => column.map((value, at) => (sums[at] = (sums[at] || 0) + (value || 0))));
  };
  // One column far above all others would flatten them to a line.
  const isSpiky = (sums) => {
    const some = sums.filter((sum) => sum > 0).sort((one, other) => one - other);
    return some.length > 3 && some.at(-1) > 20 * some[Math.floor(some.length / 2)];
  };
  const POWERS = { splits: (_, _axis, _low, high) => [0, 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7].map((value) => Math.log10(1 + value)).filter((tick) => tick <= high) };
  const span = (seconds) => seconds === 0 ? "0" : seconds < 1 ? `${+(seconds * 1000).toPrecision(3)} ms` : seconds < 120 ? `${+seconds.toPrecision(3)} s` : seconds < 7200 ? `${+(seconds / 60).toPrecision(3)} min` : `${+(seconds / 3600).toPrecision(3)} h`;
  const count = (value) => value >= 1e6 ? `${+(value / 1e6).toPrecision(3)}M` : value >= 1e4 ? `${+(value / 1e3).toPrecision(3)}k` : value.toLocaleString("en-US");

  const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat([], { month: "short", day: "numeric" });
  const dayAndClock = new Intl.DateTimeFormat([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const moment = (seconds) => {
    const date = new Date(seconds * 1000);
    return date.getHours() || date.getMinutes() ? clock.format(date) : day.format(date);
  };

  const make = (figure, place, data) => {
    const isStacked = figure.dataset.chart === "stacked";
    const form = figure.dataset.unit === "seconds" ? span : count;
    const axis = { stroke: color("muted"), font: "11px system-ui, sans-serif", grid: { stroke: color("line"), width: 1 }, ticks: { show: false } };
    const order = data.series.map((_, at) => at);
    // The highest of stacked columns is drawn first, and the others over it.
    const shown = isStacked ? [...order].reverse() : order;
    const table = stacked(data.values);
    const isLog = isStacked && isSpiky(table.at(-1) ?? []);
    const scaled = (value) => isLog ? Math.log10(1 + value) : value;
    const columns = shown.map((at) => isStacked ? table[at].map(scaled) : data.values[at]);
    // Columns stand about their times: without half a column of room the first and the last would be cut.
    const margin = isStacked && data.times.length > 1 ? (data.times[1] - data.times[0]) / 2 : 0;
    const legend = document.createElement("p");
    legend.className = "readout";
    legend.setAttribute("aria-hidden", "true");
    const tell = (at) => {
      const when = at === null ? "" : dayAndClock.format(new Date(data.times[at] * 1000));
      legend.replaceChildren(...data.series.map(({ label, color: name }, place) => {
        const one = document.createElement("span");
        const mark = document.createElement("i");
        mark.className = `mark ${name}`;
        const value = at === null ? "" : ` ${data.values[place][at] === null ? "-" : form(data.values[place][at])}`;
        one.append(mark, `${label}${value}`);
        return one;
      }), isLog ? `${when} (logarithmic scale)` : when);
    };
    const plot = new uPlot({
      width: Math.max(place.clientWidth, 200),
      height: Number(figure.dataset.height || 190),
      padding: [10, 26, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: !isStacked } },
      scales: { x: { time: true, range: (_, first, last) => [first - margin, last + margin] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      axes: [{ ...axis, size: 30, space: 64, grid: { show: false }, values: (_, ticks) => ticks.map(moment) }, { ...axis, size: 58, space: 34, ...(isLog ? POWERS : {}), values: (_, ticks) => ticks.map((tick) => form(isLog ? Math.round(10 ** tick - 1) : tick)) }],
      series: [{}, ...shown.map((at) => {
        const stroke = color(data.series[at].color);
        return isStacked
          ? { label: data.series[at].label, fill: stroke, stroke, width: 0, paths: uPlot.paths.bars({ size: [0.8, 40], radius: 0.12 }), points: { show: false } }
          : { label: data.series[at].label, stroke, width: 2, spanGaps: true, points: { show: data.times.length < 3 } };
      })],
      hooks: { setCursor: [(self) => tell(self.cursor.idx ?? null)] },
    }, [data.times, ...columns], place);
    tell(null);
    plot.over.addEventListener("click", () => {
      const link = data.links[plot.cursor.idx ?? -1];
      if (link) location.assign(link);
    });
    place.append(legend);
    return plot;
  };

  const draw = ({ anew = false } = {}) => {
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      const place = figure.querySelector(".plot");
      const table = figure.querySelector("table");
      if (!place || !table || !table.tBodies[0].rows.length) continue;
      const data = read(table);
      const key = JSON.stringify([data, place.clientWidth]);
      const before = drawn.get(place);
      if (before && before.key === key && !anew) continue;
      before?.plot.destroy();
      place.replaceChildren();
      drawn.set(place, { key, plot: make(figure, place, data) });
    }
  };

  let timer = null;
  addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(draw, 150); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw({ anew: true }));
  document.addEventListener("DOMContentLoaded", () => draw());
  return { draw };
})();
