"use strict";
// Draws the charts from the data in the page. What the charts hold is told in <html data-charts="...">.
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("sippx-data").textContent);
  const line = data.timeline || {};
  const times = line.time_s || [];
  const startMs = Date.parse(data.start_time);
  const place = document.getElementById("charts");
  const HEIGHT = 210;
  const PRINT_WIDTH = 640;
  const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800];
  const COLORS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const perSecond = (counts) => (counts || []).map((n, i) => n / (line.duration_s[i] || 1));
  const has = (values) => Array.isArray(values) && values.some((v) => v !== null);
  const any = (values) => Array.isArray(values) && values.some((v) => v);
  const words = (name) => name.replace(/_/g, " ");

  function number(value) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(4)} M`;
    if (size >= 1000 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
    return String(+value.toPrecision(4));
  }

  function clock(seconds) {
    const s = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
    if (times.length && times[times.length - 1] < 60) return `${+seconds.toFixed(1)} s`;
    const minutes = `${Math.floor(s / 60) % 60}`;
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
  }

  function moment(seconds) {
    return `${clock(seconds)} (${new Date(startMs + seconds * 1000).toLocaleTimeString([], { hour12: false })})`;
  }

  const percentiles = (part) => [
    { label: "max", values: part.max_ms, color: "--c8", dash: [2, 3] },
    { label: "p99", values: part.p99_ms, color: "--c2" },
    { label: "p90", values: part.p90_ms, color: "--c5" },
    { label: "p50", values: part.p50_ms, color: "--c1" },
  ];

  function charts() {
    const rates = [{ label: "opened", values: line.rate, color: "--c1" }];
    if (any(line.target_rate)) rates.unshift({ label: "asked for", values: line.target_rate, color: "--c8", dash: [6, 4] });
    const open = [{ label: "open", values: line.open_calls, color: "--c1" }];
    if (has(line.users)) open.unshift({ label: "users", values: line.users, color: "--c8", dash: [6, 4] });
    const failures = Object.entries(line.failures || {}).map(([cause, counts], i) => (
      { label: words(cause), values: perSecond(counts), color: COLORS[(i + 1) % COLORS.length] }));
    const rtds = Object.entries(line.rtd || {}).map(([name, part]) => (
      { id: `rtd-${name}`, title: `Response time ${name}`, unit: "ms", series: percentiles(part), isLog: true,
        empty: "Nothing was measured." }));
    return [
      { id: "rate", title: "Call rate", unit: "calls/s", series: rates },
      { id: "open", title: "Open calls", unit: "calls", series: open },
      ...rtds,
      { id: "failures", title: "Failed calls by cause", unit: "calls/s", series: failures, empty: "No call failed." },
      { id: "retransmissions", title: "Retransmissions", unit: "messages/s", empty: "Nothing was retransmitted.",
        series: any(line.retransmissions) ? [{ label: "retransmissions", values: perSecond(line.retransmissions), color: "--c2" }] : [] },
      { id: "messages", title: "Messages", unit: "messages/s", series: [
        { label: "sent", values: perSecond(line.messages_sent), color: "--c1" },
        { label: "received", values: perSecond(line.messages_received), color: "--c3", dash: [6, 4] }] },
      { id: "cpu", title: "CPU", unit: "% of one core, engine's thread", top: 100,
        series: [{ label: "engine", values: line.cpu_percent, color: "--c4" }] },
      { id: "call-length", title: "Call length", unit: "ms", series: percentiles(line.call_length || {}), isLog: true,
        empty: "No call has ended." },
      { id: "lag", title: "Calls opened later than due", unit: "ms, p99", isLog: true, empty: "Nothing was measured.",
        series: [{ label: "lag p99", values: (line.schedule_lag || {}).p99_ms, color: "--c4" }] },
    ].filter((chart) => chart.id !== "lag" || data.scenario.role === "client");
  }

  // A logarithmic axis where the values differ by more than a factor of 20, else one from 0.
  function isSpread(series) {
    const values = series.flatMap((s) => s.values).filter((v) => v > 0);
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    return values.reduce((a, b) => Math.max(a, b), 0) > 20 * low;
  }

  function options(chart, width, isLog) {
    const axis = {
      stroke: color("--muted"), font: "12px system-ui, sans-serif",
      grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid"), width: 1 },
    };
    const range = (u, low, high) => [0, Math.max(chart.top || 0, (high || 1) * 1.08)];
    const last = Math.max(times[times.length - 1], 1);
    return {
      width, height: HEIGHT,
      padding: [8, 24, 0, 0],
      cursor: { sync: { key: "sippx", scales: ["x", null] }, y: false, drag: { x: true, y: false } },
      scales: {
        x: { time: false, range: (u, low, high) => (times.length < 2 ? [0, last] : [low === times[0] ? 0 : low, high]) },
        y: isLog ? { distr: 3, log: 10 } : { range },
      },
      axes: [
        { ...axis, values: (u, splits) => splits.map(clock), space: 64, incrs: TICKS },
        { ...axis, size: 60, values: (u, splits) => splits.map((v) => (v === null ? "" : number(v))) },
      ],
      legend: { markers: { width: 2 } },
      series: [
        { label: "at", value: (u, v, series, index) => (index === null ? "" : moment(v)) },
        ...chart.series.map((s) => ({
          label: s.label, stroke: color(s.color), width: 1.75, dash: s.dash, spanGaps: false,
          points: { show: times.length <= 40, size: 5, fill: color(s.color) },
          value: (u, v, series, index) => (index === null ? "" : number(v)),
        })),
      ],
    };
  }

  function figureOf(chart) {
    const figure = document.createElement("figure");
    figure.className = "chart";
    figure.id = `chart-${chart.id}`;
    const caption = document.createElement("figcaption");
    const unit = document.createElement("span");
    caption.append(chart.title, unit);
    unit.textContent = chart.unit;
    figure.append(caption);
    place.append(figure);
    return figure;
  }

  function spoken(chart) {
    const parts = chart.series.map((s) => {
      const known = s.values.filter((v) => v !== null);
      const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
      return known.length ? `${s.label}: last ${number(known[known.length - 1])}, highest ${number(high)}` : `${s.label}: none`;
    });
    return `${chart.title} in ${chart.unit} over ${clock(times[times.length - 1])}. ${parts.join("; ")}.`;
  }

  let drawn = [];

  function draw(fixedWidth) {
    drawn.forEach((item) => item.plot && item.plot.destroy());
    place.replaceChildren();
    const known = charts();
    known.forEach((chart) => { chart.series = chart.series.filter((s) => has(s.values)); });
    known.sort((a, b) => (a.series.length === 0) - (b.series.length === 0));
    drawn = known.map((chart) => {
      const figure = figureOf(chart);
      if (!chart.series.length) {
        const text = document.createElement("p");
        text.className = "empty";
        text.textContent = chart.empty || "Nothing was measured.";
        figure.classList.add("is-empty");
        figure.append(text);
        return { chart, plot: null };
      }
      const box = document.createElement("div");
      box.className = "plot";
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", spoken(chart));
      figure.append(box);
      const isLog = Boolean(chart.isLog) && isSpread(chart.series);
      if (isLog) figure.querySelector("figcaption span").textContent += ", logarithmic";
      const columns = chart.series.map((s) => (isLog ? s.values.map((v) => (v > 0 ? v : null)) : s.values));
      const width = fixedWidth || Math.max(box.clientWidth, 240);
      const plot = new uPlot(options(chart, width, isLog), [times, ...columns], box);
      return { chart, plot, box };
    });
    tell();
  }

  function tell() {
    const told = {};
    for (const { chart, plot } of drawn) {
      if (!plot) continue;
      told[chart.id] = {};
      plot.series.slice(1).forEach((series, i) => {
        const values = plot.data[i + 1];
        told[chart.id][series.label] = { n: values.length, last: values[values.length - 1] };
      });
    }
    root.dataset.charts = JSON.stringify(told);
    root.dataset.loaded = String(performance.getEntriesByType("resource").length);
  }

  function resize() {
    for (const { plot, box } of drawn) {
      if (plot && box.clientWidth && Math.abs(box.clientWidth - plot.width) > 1) {
        plot.setSize({ width: Math.max(box.clientWidth, 240), height: HEIGHT });
      }
    }
  }

  // The points as a table, made when it is asked for: there may be thousands.
  function fillTable(details) {
    const body = details.querySelector("tbody");
    if (body.childElementCount) return;
    const names = [...details.querySelectorAll("th[data-path]")].map((th) => th.dataset.path.split("\u001f"));
    const columns = names.map((path) => path.reduce((part, name) => (part || {})[name], line) || []);
    const rows = document.createDocumentFragment();
    times.forEach((_, i) => {
      const row = document.createElement("tr");
      for (const column of columns) {
        const cell = document.createElement("td");
        cell.className = "num";
        cell.textContent = number(column[i]);
        row.append(cell);
      }
      rows.append(row);
    });
    body.append(rows);
  }

  if (!place) return;
  draw();
  new ResizeObserver(resize).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  addEventListener("beforeprint", () => { root.classList.add("for-print"); draw(PRINT_WIDTH); });
  addEventListener("afterprint", () => { root.classList.remove("for-print"); draw(); });
  const points = document.getElementById("points");
  if (points) points.addEventListener("toggle", () => fillTable(points));
})();
