"use strict";
// What a page gains where scripts run: live pages renew themselves, the data code shows while one
// chooses, and deleting asks first. Everything works without it.
(function () {
  const SECONDS = 5;
  const content = document.getElementById("content");

  async function renew() {
    if (document.hidden || content.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Fragment": "1" } });
      if (answer.status === 401) location.reload();
      if (answer.ok) content.innerHTML = await answer.text();
      document.body.classList.toggle("stale", !answer.ok);
    } catch {
      document.body.classList.add("stale");
    }
  }
  if (content && content.hasAttribute("data-refresh")) setInterval(renew, SECONDS * 1000);

  const shown = document.getElementById("data-code");
  if (shown) {
    const form = shown.closest("form");
    const part = (name) => form.elements[name].value.trim();
    const show = () => {
      shown.textContent = [
        part("process"), part("process_unit"), part("equipment"), part("kind"), part("usage"),
      ].join("-");
    };
    form.addEventListener("input", show);
    show();
  }

  document.addEventListener("submit", (event) => {
    const question = event.target.querySelector("[data-confirm]");
    if (question && !confirm(question.dataset.confirm)) event.preventDefault();
  });
})();
