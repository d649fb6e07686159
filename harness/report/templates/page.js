(() => {
  "use strict";
  const claims = document.querySelector("#claims .claims");
  if (!claims) return;
  const filters = document.querySelector("#claims .filters");
  const status = filters.querySelector("[role=status]");
  const choices = [...filters.querySelectorAll("select")];
  const words = filters.querySelector("input");
  const unfold = filters.querySelector("[name=unfold]");
  const rows = [...claims.tBodies];
  const text = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));

  const show = () => {
    const wanted = words.value.trim().toLowerCase();
    for (const row of rows) {
      const chosen = choices.every(choice => !choice.value || row.dataset[choice.name] === choice.value);
      row.hidden = !chosen || !text.get(row).includes(wanted);
    }
    status.textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length} claims shown`;
  };
  const reset = () => {
    for (const field of [...choices, words]) field.value = "";
    show();
  };

  const numberIn = cell => {
    const found = cell.textContent.replace(/\u2212/g, "-").match(/-?\d[\d.]*(e-?\d+)?/);
    return found ? Number(found[0]) : NaN;
  };
  const order = ["refuted", "qualified", "supported", "inconclusive", "invalid", "untested"];
  const keyOf = (row, column) => {
    if (column === 0) return order.indexOf(row.dataset.verdict);
    const cell = row.rows[0].cells[column];
    return column === 1 ? cell.textContent.trim().toLowerCase() : numberIn(cell);
  };
  const compare = (a, b, sign) => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
  };
  const heads = [...claims.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keys = new Map(rows.map(row => [row, keyOf(row, column)]));
      const sorted = [...rows].sort((a, b) => compare(keys.get(a), keys.get(b), down ? -1 : 1));
      claims.append(...sorted);
    });
  });

  const follow = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const row = target && target.closest("tbody.claim");
    if (!row) return;
    if (row.hidden) reset();
    const evidence = row.querySelector("details");
    evidence.open = true;
    row.scrollIntoView({block: "start"});
    evidence.querySelector("summary").focus({preventScroll: true});
  };

  const folded = () => unfold.getAttribute("aria-expanded") !== "true";
  unfold.addEventListener("click", () => {
    const open = folded();
    for (const row of rows) row.querySelector("details").open = open;
    unfold.setAttribute("aria-expanded", String(open));
    unfold.textContent = open ? "Close all evidence" : "Open all evidence";
  });
  for (const field of [...choices, words]) field.addEventListener("input", show);
  filters.querySelector("[name=reset]").addEventListener("click", reset);
  for (const link of document.querySelectorAll("a[data-show]")) {
    link.addEventListener("click", () => {
      reset();
      choices[0].value = link.dataset.show;
      show();
    });
  }
  document.addEventListener("click", event => {
    const link = event.target.closest && event.target.closest("a[href^='#claim']");
    if (link && link.hash === location.hash) follow();
  });
  addEventListener("hashchange", follow);
  filters.hidden = false;
  show();
  follow();
})();
