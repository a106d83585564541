"use strict";
// Adds sorting and filtering to the tables; without it the page shows the same.
(() => {
  const LONG = 10;
  const textOf = (row, column) => {
    const cell = row.cells[column];
    return cell ? (cell.dataset.value ?? cell.textContent).trim() : "";
  };
  const numberOf = (text) => (text === "" ? NaN : Number(text.replaceAll(",", "")));

  const sort = (table, column, descending) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, text: textOf(row, column) }));
    const filled = rows.filter((one) => one.text !== "");
    const numeric = filled.every((one) => !Number.isNaN(numberOf(one.text)));
    const compare = numeric
      ? (a, b) => numberOf(a.text) - numberOf(b.text)
      : (a, b) => a.text.localeCompare(b.text, undefined, { numeric: true });
    filled.sort((a, b) => (descending ? -compare(a, b) : compare(a, b)));
    // Empty cells come last in either order.
    body.append(...filled.map((one) => one.row), ...rows.filter((one) => one.text === "").map((one) => one.row));
  };

  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.textContent.trim() === "") return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table, column, descending);
      });
    });
  };

  const makeFilterable = (table, number) => {
    const rows = [...table.tBodies[0].rows];
    const label = document.createElement("label");
    const field = document.createElement("input");
    const count = document.createElement("span");
    const box = document.createElement("div");
    field.type = "search";
    field.id = `filter-${number}`;
    label.htmlFor = field.id;
    label.textContent = "Filter";
    const what = document.createElement("span");
    what.className = "unseen";
    what.textContent = ` ${table.caption ? table.caption.textContent : "the table"}`;
    label.append(what);
    count.setAttribute("role", "status");
    box.className = "filter";
    box.append(label, field, count);
    (table.closest(".scroll") ?? table).before(box);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = words.length ? `${shown} of ${rows.length}` : "";
    });
  };

  document.querySelectorAll("main table:not(.calendar)").forEach((table, number) => {
    if (!table.tHead || !table.tBodies.length || table.tBodies[0].rows.length < 2) return;
    makeSortable(table);
    if (table.tBodies[0].rows.length > LONG) makeFilterable(table, number);
  });
})();
