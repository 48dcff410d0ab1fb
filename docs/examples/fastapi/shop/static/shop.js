// Asks the API: places an order, and follows the one whose number stands after the # until there is nothing more to come.
const form = document.querySelector("form");
const section = document.querySelector("#order");
const find = (selector) => section.querySelector(selector);

async function ask(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function order() {
  const fields = Object.fromEntries(new FormData(form));
  return { ...fields, bags: Number(fields.bags) };
}

function show(told) {
  const goesOn = ["ready", "running", "cancelling"].includes(told.state);
  section.hidden = false;
  find(".state").textContent = told.state;
  find("progress").value = told.of ? told.done / told.of : Number(told.state === "completed");
  find(".note").textContent = goesOn ? told.note : "";
  find("pre").hidden = !told.receipt;
  find("pre").textContent = told.receipt ? `${told.receipt.text}\n${told.receipt.total} €` : "";
  find("#cancel").hidden = !goesOn;
  if (goesOn) setTimeout(follow, 500);
}

async function follow() {
  if (location.hash) show(await ask("GET", `/orders/${location.hash.slice(1)}`));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  location.hash = (await ask("POST", "/orders", order())).number;
});

document.querySelector("#ask").addEventListener("click", async () => {
  if (form.reportValidity()) document.querySelector("#price").textContent = `${await ask("POST", "/quotes", order())} €`;
});

find("#cancel").addEventListener("click", () => ask("DELETE", `/orders/${location.hash.slice(1)}`));
window.addEventListener("hashchange", follow);
follow();
