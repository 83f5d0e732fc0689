"use strict";
// A click on a head sorts the table by that column; a second click turns it.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, index) => {
    const cell = row.cells[index];
    return "value" in cell.dataset ? Number(cell.dataset.value) : index ? -Infinity : cell.textContent.trim();
  };
  heads.forEach((head, index) => {
    head.querySelector("button").addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : index > 0;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const order = (one, other) => (one < other ? -1 : one > other ? 1 : 0) * (falling ? -1 : 1);
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => order(value(one, index), value(other, index)));
      table.tBodies[0].append(...rows);
    });
  });
}
