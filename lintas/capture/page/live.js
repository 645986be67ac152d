// Draws what the server tells. Text goes in as text, never as markup: names of hosts come from the traffic.
"use strict";
const words = JSON.parse(document.getElementById("words").content.textContent);
const $ = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString("en");
const spaced = (text) => text.replaceAll("_", " ");
function amount(octets) {
  let size = octets;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return unit === "B" || size >= 100 ? `${size.toFixed(0)} ${unit}` : `${size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}
function make(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}
// Columns: [heading, value of a row, "r" for a number]. `size` draws a bar below the first cell.
function table(place, rows, columns, size) {
  const box = $(place);
  if (!rows.length) { box.replaceChildren(make("p", words.nothing, "empty")); return; }
  const drawn = make("table"), head = make("tr"), most = size ? Math.max(...rows.map(size), 1) : 1;
  drawn.append(make("caption", words.headings[place]));
  for (const [heading, , kind] of columns) {
    const cell = make("th", heading, kind); cell.scope = "col"; head.append(cell);
  }
  const top = make("thead"); top.append(head);
  const body = make("tbody");
  for (const row of rows) {
    const line = make("tr");
    columns.forEach(([, value, kind], n) => {
      const cell = make(n ? "td" : "th", value(row), kind);
      if (!n) {
        cell.scope = "row";
        if (size && size(row)) { const bar = make("span", "", "bar"); bar.style.width = `${100 * size(row) / most}%`; cell.append(bar); }
      }
      line.append(cell);
    });
    body.append(line);
  }
  drawn.append(top, body);
  box.replaceChildren(drawn);
}
let begun = 0, ended = false, folded = false;
function clock() {
  if (!begun || ended) return;
  const s = Math.max(0, Math.floor(Date.now() / 1000 - begun / 1e6));
  const two = (n) => String(n).padStart(2, "0");
  $("clock").textContent = s < 3600 ? `${two(Math.floor(s / 60))}:${two(s % 60)}`
    : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
function show(now) {
  const h = words.headings;
  begun = now.begun;
  clock();
  $("phase").textContent = now.phase ? `${words.phase} ${spaced(now.phase)}` : words.no_phase;
  $("read").textContent = now.read.join(" ");
  $("standing").textContent = now.ended ? words.ended : now.standing;
  $("trouble").hidden = !now.trouble;
  $("trouble").textContent = now.trouble ? `${words.trouble}: ${now.trouble}` : "";
  $("warnings").replaceChildren(...now.warnings.slice(-3).map((text) => make("li", text)));
  const counts = [["requests", number(now.requests)], ["bytes_out", amount(now.bytes_out)],
    ["bytes_in", amount(now.bytes_in)], ["refused", number(now.refused)], ["connections", number(now.connections)],
    ["recorded", amount(now.recorded)]];
  if (now.lost) counts.push(["lost", number(now.lost)]);
  $("counts").replaceChildren(...counts.map(([name, value]) => {
    const box = make("div"); box.append(make("dt", words.counts[name]), make("dd", value)); return box;
  }));
  $("behind").textContent = [now.behind, ...now.apart].join(" · ");
  const types = (row) => row.data_types.map(spaced).join(", ");
  table("where", now.countries, [[h.country, (r) => r.name], [h.bytes_out, (r) => amount(r.bytes_out), "r nw"],
    [h.flows, (r) => number(r.flows), "r"], [h.data_types, types]], (r) => r.bytes_out);
  table("who", now.operators, [[h.company, (r) => r.parent ? `${r.name} (${r.parent})` : r.name],
    [h.bytes_out, (r) => amount(r.bytes_out), "r nw"], [h.country, (r) => r.places.join(" ")], [h.data_types, types]],
    (r) => r.bytes_out);
  table("what", now.data_types, [[h.data_type, (r) => spaced(r.data_type) + (r.strength === "weak" ? "?" : "")],
    [h.messages, (r) => number(r.messages), "r"], [h.country, (r) => r.places.join(" ")],
    [h.to, (r) => r.operators.join(", ")]], (r) => r.messages);
  table("opaque", now.opaque, [[h.host, (r) => r.host || "–"], [h.count, (r) => number(r.count), "r"],
    [h.cause, (r) => [words.kinds[r.kind] || r.kind, r.cause && spaced(r.cause)].filter(Boolean).join(": ")]]);
  table("marks", [...now.marks].reverse(), [[words.at, (r) => new Date(r.at / 1000).toLocaleTimeString("en-GB")],
    [words.mark, (r) => r.phase ? `${words.phase} ${spaced(r.phase)}` : r.note]]);
  // Once the phone is in, how it gets in is out of the way; whoever opens it again has it stay.
  if (!folded && now.devices.some((d) => d.first)) { folded = true; document.querySelector("details.set").open = false; }
  if (now.ended) { clock(); ended = true; }
}
const source = new EventSource("now");
source.onmessage = (event) => { const now = JSON.parse(event.data); show(now); if (now.ended) source.close(); };
source.onerror = () => { if (!ended) $("standing").textContent = words.lost_page; };
setInterval(clock, 1000);
