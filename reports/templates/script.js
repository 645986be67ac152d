"use strict";
// Nothing here is needed to read: it sorts, copies, opens, and keeps the theme while the page is open.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const all = (query, from) => [...(from || document).querySelectorAll(query)];
  const say = JSON.parse(document.getElementById("words").content.textContent);
  // Wide regions can be scrolled by keys only while they scroll.
  for (const box of all(".scroll")) if (box.scrollWidth <= box.clientWidth) box.removeAttribute("tabindex");
  for (const button of all("[data-copy]")) button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try { await navigator.clipboard.writeText(text); } catch { return; }
    button.textContent = say.copied;
  });
  for (const button of all("[data-open]")) button.addEventListener("click", () => {
    const rows = all("details", document.getElementById(button.dataset.open));
    const open = rows.some(row => !row.open);
    for (const row of rows) row.open = open;
    button.textContent = open ? say.close : say.open;
  });
  const number = text => {
    const found = text.replace(/[^\d.-]/g, "");
    return found === "" ? NaN : Number(found);
  };
  for (const table of all(".sortable")) all("thead th", table).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const key = row => row.cells[column].dataset.n ?? row.cells[column].textContent.trim();
      const rows = [...body.rows].map(row => [key(row), row]);
      const numeric = head.classList.contains("r");
      rows.sort(([a], [b]) => {
        if (!numeric) return a.localeCompare(b, root.lang);
        const x = number(a), y = number(b);
        return (Number.isNaN(x) ? -1 : x) - (Number.isNaN(y) ? -1 : y);
      });
      if (down) rows.reverse();
      body.append(...rows.map(([, row]) => row));
    });
  });
  for (const field of all(".find")) field.addEventListener("input", () => {
    const wanted = field.value.trim().toLocaleLowerCase(root.lang);
    for (const row of document.getElementById(field.dataset.table).parentElement.tBodies[0].rows)
      row.hidden = wanted !== "" && !row.textContent.toLocaleLowerCase(root.lang).includes(wanted);
  });
  // Details hold evidence: print them open, and open the one that an address names.
  addEventListener("beforeprint", () => { for (const one of all("details")) one.open = true; });
  const show = () => {
    let at = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const inner = at && at.classList.contains("state") ? at.querySelector("details") : null;
    if (inner) inner.open = true;
    for (; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };
  addEventListener("hashchange", show);
  show();
  if (matchMedia("(max-width:1000px)").matches) document.querySelector("nav.toc details").open = false;
})();
