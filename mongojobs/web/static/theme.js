// Runs before the page is drawn, so that it never appears in the wrong colours.
"use strict";
(() => {
  const chosen = localStorage.getItem("mongojobs-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
